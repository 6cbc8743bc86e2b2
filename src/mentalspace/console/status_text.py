"""What may be told to others about an incident: plain words, no names, nothing of our insides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mentalspace.console import words
from mentalspace.console.impact_words import listed
from mentalspace.console.wall_clocks import WallClocks
from mentalspace.engine.house_alert import HOUSE

# What clients and colleagues call what a room does.
_WHAT: Mapping[str, tuple[str, str]] = {
    "email": ("e-mails to clients", "our e-mail provider"),
    "sms": ("text messages to clients", "our text-message provider"),
    "storage": ("copies of documents", "our storage provider"),
}
# These touch no message.
_OF_NOBODY = frozenset({"cost", "gauge", "complained", "callbacks", "lost_callbacks"})
_KEPT = "Nothing is lost: what has not gone out is kept."
# Of what ended without arriving: where whoever it was for stands.
_STANDS: Mapping[str, str] = {"storage": "What ended stands among the dead letters, under “Ended”"}
_TO_CALL = "Who was not reached is on the list of whom to telephone"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is said of messages while it lasts, and once it is over; and of what becomes of them."""

    now: str
    before: str
    rest: str


_LATE = _Trouble(
    "Since {since} some {what} are late or have not gone out.",
    "From {since} to {ended} some {what} were late or did not go out.",
    _KEPT,
)
_NOT_YET = _Trouble(
    "Since {since} there is trouble with {what}. None is late so far.",
    "From {since} to {ended} there was trouble with {what}. None was late.",
    _KEPT,
)
# Of a part of the house, which may stand still without anybody's waiting.
_HOUSE = _Trouble(
    "Since {since} a part of our own system does not do its work. No message is late so far.",
    "From {since} to {ended} a part of our own system did not do its work. No message was late.",
    _KEPT,
)
# By what the rule counts, where it is not what waits.
_OTHER: Mapping[str, _Trouble] = {
    "failing": _Trouble(
        "Since {since} some {what} are late or did not arrive.",
        "From {since} to {ended} some {what} were late or did not arrive.",
        _KEPT,
    ),
    "returned": _Trouble(
        "Since {since} some {what} came back from their addresses. The others go out.",
        "From {since} to {ended} some {what} came back from their addresses. The others went out.",
        "Who was not reached is on the list of whom to telephone.",
    ),
    "complained": _Trouble(
        "Since {since} more {what} than usual are marked as unwanted. They go out.",
        "From {since} to {ended} more {what} than usual were marked as unwanted. They went out.",
        "Nothing needs to be sent again.",
    ),
    "leaving": _Trouble(
        "Since {since} more clients than usual have asked for no more {brief}. The others get"
        " them.",
        "From {since} to {ended} more clients than usual asked for no more {brief}. The others got"
        " them.",
        "Nothing needs to be sent again.",
    ),
    "late": _Trouble(
        "Since {since} some {what} take longer than they should. They go out.",
        "From {since} to {ended} some {what} took longer than they should. They went out.",
        "Nothing needs to be sent again.",
    ),
    "absence": _Trouble(
        "Since {since} fewer {what} go out than usual, and we are looking into why.",
        "From {since} to {ended} fewer {what} went out than usual.",
        _KEPT,
    ),
    "gauge": _Trouble(
        "Since {since} something of our document storage is not as it should be.",
        "From {since} to {ended} something of our document storage was not as it should be.",
        "",
    ),
    "callbacks": _Trouble(
        "Since {since} we do not hear in time what became of some {what}. They have gone out.",
        "From {since} to {ended} we did not hear in time what became of some {what}. They went"
        " out.",
        "Nothing needs to be sent again.",
    ),
    "lost_callbacks": _Trouble(
        "Since {since} we ask for what became of some {what}, for we are not told. They go out.",
        "From {since} to {ended} we asked for what became of some {what}, for we were not told."
        " They went out.",
        "Nothing needs to be sent again.",
    ),
    "undelivered": _Trouble(
        "Since {since} some {what} were taken on their way and did not arrive.",
        "From {since} to {ended} some {what} were taken on their way and did not arrive.",
        "Who was not reached is on the list of whom to telephone.",
    ),
    "refused": _Trouble(
        "Since {since} some {what} do not go out, by a setting of ours.",
        "From {since} to {ended} some {what} did not go out, by a setting of ours.",
        "Who was not reached is on the list of whom to telephone.",
    ),
    "cost": _Trouble(
        "Since {since} {what} cost more than they usually do. They go out.",
        "From {since} to {ended} {what} cost more than they usually do. They went out.",
        "Nothing needs to be sent again.",
    ),
}


@dataclass(frozen=True, slots=True)
class StatusText:
    """`state` is one of investigating, identified, monitoring and resolved; every hour of it is in
    each of the `zones`, or in UTC beside the outermost where they are many."""

    state: str
    title: str
    lines: tuple[str, ...]
    zones: tuple[str, ...]

    @property
    def hours(self) -> str:
        """Whose its hours are, for whoever posts it."""
        if self.zones == ("UTC",):
            return "UTC"
        if len(self.zones) == 1:
            return f"the practice’s, {self.zones[0]}"
        return f"those of the practices, in {words.count(len(self.zones), 'time zone')}"

    @property
    def text(self) -> str:
        return "\n".join([f"{self.title} ({self.state})", *self.lines])


def status_text(
    incident: Any,
    facts: Mapping[str, Any],
    practices: int = 1,
    kind: str | None = None,
    zones: Iterable[str] = (),
) -> StatusText:
    """As it stands; `incident` and `facts` as the page has them, of so many practices, by a rule
    that counts that `kind` of thing. Hours are the practice's, or those of all the `zones` where
    several have different ones."""
    of_one = incident["practice_timezone"]
    clocks = WallClocks((of_one,) if of_one else tuple(zones) or ("UTC",))
    what, who = _WHAT.get(incident["integration"], ("messages to clients", "our provider"))
    impact = facts["impact"]
    state = _state(incident)
    trouble = _OTHER.get(kind or "") or _late(incident, impact)
    lines = [_began(incident, trouble, what, clocks)]
    way = _other_way(facts, clocks, state, practices)
    nothing_waits = (way is not None and impact["people_reached"] > 0) or trouble.rest is not _KEPT
    if (cause := _cause(incident, who, nothing_waits=nothing_waits)) and state != "investigating":
        lines.append(cause)
    if way is not None:
        lines.append(way)
    lines += _touched(facts, clocks, practices) if kind not in _OF_NOBODY else []
    lines.append(_next(state, impact, clocks, incident, trouble.rest))
    return StatusText(
        state.capitalize(), f"{what[:1].upper()}{what[1:]}", tuple(lines), clocks.zones
    )


def _late(incident: Any, impact: Any) -> _Trouble:
    """Nobody is told that messages are late while none is."""
    if impact["people"]:
        return _LATE
    return _HOUSE if incident["integration"] == HOUSE else _NOT_YET


def _state(incident: Any) -> str:
    if incident["status"] == "resolved":
        return "resolved"
    if incident["recovered_at"] is not None:
        return "monitoring"
    return "identified" if incident["status"] == "acknowledged" else "investigating"


def _began(incident: Any, trouble: _Trouble, what: str, clocks: WallClocks) -> str:
    since, brief = clocks.tell(incident["since"]), what.removesuffix(" to clients")
    ended = incident["over_since"] or incident["resolved_at"]
    if ended is not None:
        until = clocks.tell(ended)
        return trouble.before.format(since=since, ended=until, what=what, brief=brief)
    return trouble.now.format(since=since, what=what, brief=brief)


def _cause(incident: Any, who: str, *, nothing_waits: bool) -> str | None:
    if incident["facts"].get("met"):
        theirs = f"The cause most likely lies with {who}."
        ours = "The cause is most likely on our side and is being put right."
        return theirs if incident["fault"] == "theirs" else ours
    match incident["fault"]:
        case "theirs" if nothing_waits:
            return f"The cause lies with {who}."
        case "theirs":
            return f"The cause lies with {who}; what waits is sent as soon as it answers again."
        case "ours":
            return "The cause is on our side and is being put right."
    return None


def _other_way(
    facts: Mapping[str, Any], clocks: WallClocks, state: str, practices: int
) -> str | None:
    """That messages leave by the next provider, if any went over to it."""
    moved = [row for row in facts["story"] if row["kind"] == "moved"]
    if not moved:
        return None
    since = clocks.tell(min(row["at"] for row in moved))
    number = sum(int(row["data"].get("count", 1)) for row in moved)
    where = " where there is a second provider" if practices > 1 else ""
    if state in ("resolved", "monitoring"):
        return f"Meanwhile {words.count(number, 'message')} left by another way{where}."
    waiting = int(facts["impact"]["waiting"])
    left = f" {words.count(waiting, 'message')} still wait{'s' if waiting == 1 else ''}."
    if waiting and not facts["impact"]["people_reached"]:
        return f"The other way they leave by{where} is out as well.{left}"
    return f"Since {since} messages leave by another way{where}.{left if waiting else ''}"


def _touched(facts: Mapping[str, Any], clocks: WallClocks, practices: int) -> list[str]:
    """`41 clients, first appointment 07:30`; of a group `41 clients in 3 practices`."""
    impact = facts["impact"]
    where = f" in {words.count(practices, 'practice')}" if practices > 1 else ""
    if left := facts.get("left"):
        return [f"{words.count(left, 'client')}{where} asked so far."]
    people = words.count(impact["people"], "client") + where
    if not impact["people"]:
        return ["No client is known to have missed a message."]
    if not impact["people_left"]:
        were = "was" if impact["people"] == 1 else "were"
        return [f"{people} {were} touched: {listed(impact)}."]
    left = f"{people} touched so far: {listed(impact)}"
    if impact["next_appointment_at"] is not None:
        return [f"{left}; first appointment {clocks.tell(impact['next_appointment_at'])}."]
    return [f"{left}; no appointment of theirs is ahead."]


def _next(state: str, impact: Any, clocks: WallClocks, incident: Any, rest: str) -> str:
    said = _what_is_left(impact, incident["integration"]) if rest is _KEPT else rest
    match state:
        case "resolved":
            gone = f"{said} " if rest is _KEPT and said is not _KEPT else ""
            return f"{gone}This was closed at {clocks.tell(incident['resolved_at'])}."
        case "monitoring":
            again = "Messages go out again. " if rest is _KEPT else ""
            return f"{again}We are watching it. {said}".rstrip()
    urgent = " Please telephone whoever comes soon." if impact["next_appointment_at"] else ""
    return f"{said}{urgent} The next word comes as soon as this changes.".lstrip()


def _what_is_left(impact: Any, integration: str) -> str:
    """That nothing is lost, where that is so; else what will not be sent by itself, and where that
    stands."""
    lost, held = impact["lost"], impact["held"]
    if not lost and not held:
        return _KEPT
    said = []
    if lost:
        were, are = ("was", "is") if lost == 1 else ("were", "are")
        said.append(
            f"{_messages(lost, integration)} {were} refused or ran out of time and {are} not sent"
            f" again by {'itself' if lost == 1 else 'themselves'}."
            f" {_STANDS.get(integration, _TO_CALL)}."
        )
    if held:
        wait = "waits" if held == 1 else "wait"
        said.append(
            f"{_messages(held, integration)} {wait} among the dead letters until one of us decides."
        )
    return " ".join([*said, "Whatever else has not gone out is kept."])


def _messages(number: int, integration: str) -> str:
    copies = ("copy of a document", "copies of documents")
    return words.count(number, *(copies if integration == "storage" else ("message", "messages")))
