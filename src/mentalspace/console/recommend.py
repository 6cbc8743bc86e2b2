"""The one thing to do about an incident now, in a line, and the button that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mentalspace.console import words
from mentalspace.console.queries.group import Group
from mentalspace.console.queries.processes import Standstill
from mentalspace.console.queries.refused import RefusedHooks
from mentalspace.engine.ends import End
from mentalspace.engine.former import Former
from mentalspace.engine.house_alert import HOUSE, HOUSE_RULES
from mentalspace.engine.remedy import Preflight
from mentalspace.engine.runbook import AlertKind, AlertRule
from mentalspace.kernel.case import Disposition, ErrorCase

# By itself, without anybody: the engine goes on with what met such a case.
_BY_ITSELF = frozenset({Disposition.RETRY, Disposition.RECONCILE})

# The button of what is refused in test mode.
SWITCH_OFF = "test_mode_off"

# So close to the entry of another secret it began by that, more likely than not.
_JUST_BEFORE, _JUST_AFTER = timedelta(seconds=5), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`press` is a button's name: one of a remedy's, `bring_back`, `test_mode_off`, `secret`,
    `acknowledge` or `resolve`.
    `next_try_at` is when the provider is tried again by itself, if that is known; `answered_at`
    when our own check was answered well."""

    says: str
    press: str | None
    next_try_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What of an incident decides what is to be done; `end` is how the worker ended last, of one
    that starts again and again; `ours_apart` the case of the part of it that is ours, amid what is
    theirs; `of_callbacks` what to do about those that are late or missing; `answered_at` when our
    own check was answered well, while a case still pauses the lanes; `switched_off` what switching
    test mode off does, where that is what refuses."""

    incident: Any
    provider: str
    case: ErrorCase | None
    rule: AlertRule | None
    group: Group | None
    buttons: Sequence[Preflight]
    refused: RefusedHooks | None
    standstill: Standstill | None
    way_out: bool
    next_attempt_at: datetime | None
    end: End | None = None
    ours_apart: ErrorCase | None = None
    of_callbacks: str | None = None
    answered_at: datetime | None = None
    switched_off: str | None = None
    former: Former | None = None


def recommend(seen: Seen) -> Recommendation | None:
    """None of what is closed, or where the runbook says nothing and nothing mends itself."""
    incident = seen.incident
    if incident["status"] == "resolved":
        return None
    if incident["recovered_at"] is not None:
        return _over(incident)
    if incident["recovering_since"] is not None:
        return _recovering(incident)
    if incident["integration"] == HOUSE:
        return _of_house(seen)
    if seen.way_out:
        return _of_way_out(incident)
    if (healed := _healed(seen)) is not None:
        return healed
    of_callbacks = seen.rule is not None and seen.rule.kind is AlertKind.CALLBACKS
    if of_callbacks and seen.refused and seen.refused.by_secret and seen.refused.fields:
        return _signing(seen, seen.refused.fields)
    if of_callbacks and seen.of_callbacks is not None:
        return Recommendation(f"{seen.of_callbacks}.", None)
    if incident["facts"].get("refused_together"):
        return _refused_together(seen)
    if (entered := _entered(seen)) is not None:
        return entered
    if words.test_mode(incident) and not incident["test_only"]:
        return _switched_off(incident)
    advised = _of_runbook(seen)
    if advised is not None and advised.press == SWITCH_OFF and not incident.get("test_only"):
        advised = _other_tests(seen)
    begun = words.test_mode(incident)
    if advised is not None and begun is not None and seen.switched_off is not None:
        says = f"{_ask_whoever(begun)} {advised.says} {seen.switched_off}"
        advised = replace(advised, says=says)
    whole = _unless_done(seen, advised) if advised is not None else None
    return _ours_first(seen, whole or _waiting(seen) or _first_step(seen))


def began_with(incident: Any, former: Former | None) -> datetime | None:
    """When another secret was entered with which it began, if it did. Where the evaluator does not
    say it, as of a key that is refused, what is kept of before does: it began just then, and
    nothing has gone well since."""
    at, facts = words.entered_at(incident), incident["facts"]
    if at is not None or former is None or facts.get("practices", 1) > 1 or "others_fail" in facts:
        return at
    since, good = incident["since"], incident["last_good_at"]
    began = former.replaced_at - _JUST_BEFORE <= since <= former.replaced_at + _JUST_AFTER
    return former.replaced_at if began and not (good and good > former.replaced_at) else None


def _ours_first(seen: Seen, rest: Recommendation | None) -> Recommendation | None:
    """What of it is ours can be mended here, whatever becomes of the rest."""
    if seen.ours_apart is None or seen.ours_apart.now is None:
        return rest
    ours = _unless_done(seen, Recommendation(*_told(seen, seen.ours_apart)))
    if rest is None:
        return ours
    return Recommendation(
        f"What of it is ours: {ours.says} What is {seen.provider}’s: {rest.says}",
        ours.press or rest.press,
        rest.next_try_at,
    )


def _over(incident: Any) -> Recommendation:
    says = "It is over. See that nobody waits any more, then resolve it."
    if incident["status"] == "open":
        return Recommendation(
            f"{says} Acknowledge it first, if it is to page nobody else.", "resolve"
        )
    return Recommendation(says, "resolve")


def _recovering(incident: Any) -> Recommendation:
    says = "Wait: nothing needs doing. It looks over, and is watched for a while longer."
    if incident["status"] == "open":
        return Recommendation(
            f"{says} Acknowledge it, if it is to page nobody else.", "acknowledge"
        )
    return Recommendation(says, None)


def _healed(seen: Seen) -> Recommendation | None:
    """What paused the lanes is gone as far as a question can tell; nothing sets them going but a
    person."""
    can = any(one.name == "resume" and one.refusal is None for one in seen.buttons)
    if seen.answered_at is None or not can:
        return None
    return Recommendation(
        f"Resume the lanes: {seen.provider} answers our own check well again, and they stand still"
        " until somebody resumes them.",
        "resume",
        answered_at=seen.answered_at,
    )


def _of_way_out(incident: Any) -> Recommendation:
    """One of several incidents: none of them is mended at its own provider."""
    return Recommendation(
        "Look at our own way out first: this host’s network, DNS, proxy and firewall. Nothing needs"
        " doing at the lanes: what waits goes once it is open again.",
        "acknowledge" if incident["status"] == "open" else None,
    )


def _of_house(seen: Seen) -> Recommendation | None:
    rule = HOUSE_RULES.get(seen.incident["rule_id"])
    if rule is None:
        return None
    if seen.standstill is not None and seen.standstill.waits:
        says = "Somebody holds a lock in the database, named below: that has to end first."
        return Recommendation(f"{says} Then, if it does not turn by itself: {rule.now}", None)
    if seen.end is not None:
        verb = "was " if seen.end.status < 0 else ""
        return Recommendation(f"It {verb}{seen.end.words}. {seen.end.advice}", None)
    return Recommendation(rule.now, None)


def _signing(seen: Seen, fields: Sequence[str]) -> Recommendation:
    """A secret that also sends may be right for the one and wrong for the other; one that only
    signs is not the key."""
    names = " or ".join(f"`{name}`" for name in fields)
    return Recommendation(
        f"Enter the secret that signs {seen.provider}’s webhooks, {names}, on the credential’s"
        f" page, as {seen.provider} shows it beside the webhook. What sends is accepted: leave any"
        " other key as it is, and pause nothing.",
        "secret",
    )


def _entered(seen: Seen) -> Recommendation | None:
    """Whoever entered it can say what they entered; the provider is well as far as others see. Who
    is called has no secret to enter: what it replaced comes first, if it is answered well."""
    former = seen.former
    entered = began_with(seen.incident, former)
    if entered is not None and _is_past(seen.incident, former, entered):
        return Recommendation(
            "See whether what waits leaves now: what this began with is no longer in use, or goes"
            " well by now.",
            "acknowledge" if seen.incident["status"] == "open" else None,
        )
    if entered is not None and former is not None and former.good:
        return Recommendation(
            "Bring back the former one: nothing has gone well since another was entered, and"
            f" {seen.provider} answers the former one well. What waits goes then, and what is in"
            " use now is kept in its place.",
            "bring_back",
        )
    if words.entered_at(seen.incident) is None:
        return None
    return Recommendation(
        "Look at what was entered just before this began, its address as well as its secret:"
        f" nothing has gone well with it. Enter both again as {seen.provider} shows them; what"
        " waits goes then.",
        "secret",
    )


def _is_past(incident: Any, former: Former | None, entered: datetime) -> bool:
    """It was replaced since, or something has gone well since."""
    good = incident["last_good_at"]
    return (good is not None and good > entered) or (
        former is not None and former.replaced_at > entered
    )


def _switched_off(incident: Any) -> Recommendation:
    return Recommendation(
        "Test mode is off again: what falls due goes out, and it is over with the first that is"
        " taken. What was refused stays so: see whom it was for, and telephone.",
        "acknowledge" if incident["status"] == "open" else None,
    )


def _other_tests(seen: Seen) -> Recommendation:
    """The switch is off, and nobody knows of another hand at it."""
    return Recommendation(
        "Test mode is not switched on: what was entered, a key or a sender, is for tests only."
        f" Enter one that is not, as {seen.provider} shows it; the case below says which are.",
        None,
    )


def _ask_whoever(begun: words.Begun) -> str:
    """Who can say whether test mode is meant; that people are refused speaks against it."""
    at = f"{begun.at:%H:%M} UTC on {begun.at:%-d %b}"
    did = "switched test mode on" if begun.by_hand else "stored the credential in test mode"
    return f"Ask {begun.who}, who {did} at {at}, whether it is meant: people are refused by it."


def _refused_together(seen: Seen) -> Recommendation:
    """A new key at every practice is the one thing that makes it worse."""
    return Recommendation(
        f"Look at {seen.provider}’s status page, and ask its support. Enter no new keys yet: many"
        f" do not expire at once. What waits is kept; resume the lanes once {seen.provider} accepts"
        " the keys again.",
        "acknowledge" if seen.incident["status"] == "open" else None,
    )


def _of_runbook(seen: Seen) -> Recommendation | None:
    """The case's own before its rule's."""
    for page in (seen.case, seen.rule):
        if page is not None and page.now is not None:
            return Recommendation(*_told(seen, page))
    return None


def _told(seen: Seen, page: ErrorCase | AlertRule) -> tuple[str, str | None]:
    assert page.now is not None
    return page.now.format_map(_places(seen)), page.press


def _places(seen: Seen) -> Mapping[str, str]:
    incident = seen.incident
    several = seen.group is not None and seen.group.practices > 1
    practice = "the practices named below" if several else incident["practice_name"]
    return {
        "provider": seen.provider,
        "practice": practice or "the practice",
        "endpoint": incident["endpoint"] or "the credential",
    }


def _unless_done(seen: Seen, advised: Recommendation) -> Recommendation:
    """What somebody has done already is not asked for again."""
    button = next((one for one in seen.buttons if one.name == advised.press), None)
    if button is None or not button.already:
        return advised
    return Recommendation(f"{button.refusal} Once the cause is gone, resume them.", None)


def _waiting(seen: Seen) -> Recommendation | None:
    """Of what the provider fails in, and what is tried again without anybody."""
    incident = seen.incident
    by_itself = seen.case is not None and seen.case.disposition in _BY_ITSELF
    stopped = incident["breaker"] == "open" or (seen.group is not None and seen.group.stopped)
    if incident["fault"] != "theirs" or not (stopped or by_itself):
        return None
    at = incident["open_until"] if incident["breaker"] == "open" else seen.next_attempt_at
    tried = f"{seen.provider} is tried again by itself, and what waits goes once it answers"
    first = "Acknowledge" if incident["status"] == "open" else "It is acknowledged"
    return Recommendation(
        f"Nothing needs doing at the lanes: {tried}. {first}; post the text below.",
        "acknowledge" if incident["status"] == "open" else None,
        at,
    )


def _first_step(seen: Seen) -> Recommendation | None:
    step = seen.incident["facts"].get("first_step")
    return Recommendation(f"{step.rstrip('.')}.", None) if step else None


def button_first(buttons: Sequence[Preflight], advised: Recommendation | None) -> list[Preflight]:
    """The recommended one in front, the others in their order."""
    press = advised.press if advised else None
    return sorted(buttons, key=lambda one: one.name != press)
