"""What a card of the fleet says of its credential: all that is known, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from mentalspace.console.words import State, Tone
from mentalspace.engine.credential_check import Checked
from mentalspace.engine.heard import Heard
from mentalspace.workflows.doctor.lately import Trouble
from mentalspace.workflows.doctor.way_in import WayIn

URGENCY: Mapping[Tone, int] = {"bad": 0, "warn": 1, "info": 2, "ok": 3, "idle": 3}
WORKS = State("Working", "ok", "the last calls were answered")
_BEHIND = "nothing is sent until it answers a try, made by itself; what waits leaves then"


# What waits for a person and wakes nobody.
FOR_THE_DAY = "Needs a look"


@dataclass(frozen=True, slots=True)
class Told:
    """What the doctor judges by as well, by credential: whose last callback was refused, what went
    wrong of late, when each was heard of, who failed our own check, and of the silent the way in.
    """

    refusing: Set[UUID] = frozenset()
    troubles: Mapping[UUID, Sequence[Trouble]] = field(default_factory=dict)
    heard: Mapping[UUID, Heard] = field(default_factory=dict)
    checked: Mapping[UUID, Checked] = field(default_factory=dict)
    ways_in: Mapping[UUID, WayIn] = field(default_factory=dict)

    @property
    def silent(self) -> Set[UUID]:
        """Whose callbacks are late, missing or refused."""
        return self.refusing | {id_ for id_, heard in self.heard.items() if heard.is_suspicious}


def states_of(
    credential: Any, lanes: Sequence[Any], backlog: Any | None, told: Told
) -> list[State]:
    """Never empty. What a person set by hand comes first; of what weighs alike, what says more."""
    id_: UUID = credential["id"]
    troubles = told.troubles.get(id_, ())
    found = [
        *_of_lanes(credential, lanes),
        *_of_check(told.checked.get(id_)),
        *(_of_trouble(one, credential) for one in troubles),
        *_of_incident(credential),
        *_of_calls(credential, troubles),
    ]
    if backlog and backlog["held"]:
        found.append(State(FOR_THE_DAY, "info", "messages are held for a person"))
    elif backlog and backlog["unknown"]:
        asked = "the outcome of some is unknown, and asked after by itself"
        found.append(State(FOR_THE_DAY, "info", asked))
    way_in = f". {told.ways_in[id_].told}" if id_ in told.ways_in else ""
    if id_ in told.refusing:
        meaning = f"messages leave; what became of them is refused{way_in}"
        found.append(State("Callbacks refused", "bad", meaning))
    heard = told.heard.get(id_)
    if heard is not None and heard.is_suspicious and id_ not in told.refusing:
        said = f"{heard.words}{way_in}" if heard.called_back is None else way_in.removeprefix(". ")
        found.append(State(heard.word, "warn", said or heard.words))
    by_hand = _of_override(credential)
    worst = sorted(found, key=lambda state: URGENCY[state.tone])
    return [*by_hand, *worst] or [_calm(credential)]


def _of_override(credential: Any) -> list[State]:
    if not credential["override_state"]:
        return []
    word = {"open": "Stopped by hand", "closed": "Forced open"}[credential["override_state"]]
    return [State(word, "warn", credential["override_reason"] or "no reason was given")]


def _of_lanes(credential: Any, lanes: Sequence[Any]) -> list[State]:
    """Whether anything is let through at all."""
    if lanes:
        person = next((lane["paused_by"] for lane in lanes if not lane["paused_case"]), None)
        waits = (
            f"{person} paused it, and only a person opens it sooner; nothing is lost"
            if person
            else "nothing goes this way until the cause is gone; nothing is lost"
        )
        return [State("Paused", "bad", _went(credential) or waits)]
    match credential["breaker"]:
        case "open":
            went = _went(credential) or _BEHIND
            return [State("Breaker open", "bad", f"the provider keeps failing; {went}")]
        case "half_open":
            return [State("Probing", "warn", "one message is being tried; its outcome decides")]
    return []


def _of_check(checked: Checked | None) -> list[State]:
    if checked is not None and checked.is_bad:
        word = "Key refused" if checked.fault == "ours" else "No good answer"
        return [State(word, "bad", checked.words)]
    if checked is not None and checked.is_partly_bad:
        return [State("Answers in part", "warn", checked.words)]
    return []


def _of_trouble(trouble: Trouble, credential: Any) -> State:
    cure = trouble.cure and trouble.cure_at(credential["practice_name"], credential["endpoint"])
    text = f"{trouble.text}. {cure}" if cure else trouble.text
    return State(trouble.word, "bad" if trouble.state == "bad" else "warn", text.rstrip("."))


def _of_incident(credential: Any) -> list[State]:
    """As loud as it is grave: what is a matter for the day does not look like an outage."""
    title = credential["incident_title"]
    if title is None:
        return []
    if credential["incident_recovered"]:
        began, over = credential["incident_since"], credential["incident_over_since"]
        lasted = f"lasted from {began:%H:%M} to {over:%H:%M} UTC"
        return [State("Recovered", "info", f"“{title}” {lasted}, and waits to be closed")]
    if credential["incident_recovering_since"]:
        since = credential["incident_recovering_since"]
        return [State("Recovering", "info", f"“{title}” has not held since {since:%H:%M} UTC")]
    if credential["incident_severity"] in ("critical", "high"):
        return [State("Incident open", "bad", f"“{title}”, whatever the last calls said")]
    return [
        State("For the day", "info", f"calls are answered; “{title}” is open, and stops nothing")
    ]


def _of_calls(credential: Any, troubles: Sequence[Trouble]) -> list[State]:
    """What is counted already is not said twice."""
    counted = any(one.check == "calls" for one in troubles)
    if not counted and (credential["recent"] or "").endswith("FF"):
        return [State("Failing", "warn", "the last tries failed at the provider")]
    return []


def _calm(credential: Any) -> State:
    if credential["last_good_at"] is None:
        return State("No call yet", "idle", "no call has succeeded so far")
    return WORKS


def _went(credential: Any) -> str | None:
    """That what waits here leaves by the next provider, where it does."""
    if not credential["went_over"]:
        return None
    if credential["next_works"]:
        return "what waits goes over to the next provider"
    return "what waits went over to the next provider, which is out as well"
