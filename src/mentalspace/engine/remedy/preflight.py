"""What each button would do now, in numbers; and why one may not be pressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from mentalspace.engine.remedy.standing import Standing
from mentalspace.engine.replay import MOST_AT_ONCE, Heap
from mentalspace.engine.runbook import Price

Name = Literal[
    "pause", "resume", "hold", "replay", "switch", "stop_trying", "try_anyway", "automatic"
]
NAMES: tuple[Name, ...] = get_args(Name)

# So long may what a person sets by hand last: after a day somebody must look again.
MOST_MINUTES = 1440

Title = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Preflight:
    """`refusal` says why not, and then nothing else counts; `already` that it has been done.
    `would` are sentences, the number first; `numbers` the same for machines. `safe`: nobody is
    written to, or nobody twice, and no person's hold is undone."""

    name: Name
    title: str
    refusal: str | None
    already: bool
    would: tuple[str, ...]
    numbers: Mapping[str, int]
    safe: bool
    needs_reason: bool
    needs_expiry: bool


@dataclass(frozen=True, slots=True)
class _Button:
    title: str
    already: Callable[[Standing, Title], str | None]
    refuses: Callable[[Standing, Title], str | None]
    would: Callable[[Standing, Title, Price | None], tuple[str, ...]]
    counts: tuple[str, ...]
    safe: bool
    lasts: bool  # it ends by itself, and must say when
    reason: bool = True


def preflights(standing: Standing, title: Title, price: Price | None) -> list[Preflight]:
    """Every button in its order. `title` writes a provider's name; `price` is of one message."""
    return [preflight(name, standing, title, price) for name in NAMES]


def preflight(name: Name, standing: Standing, title: Title, price: Price | None) -> Preflight:
    button = _BUTTONS[name]
    already = None if standing.resolved else button.already(standing, title)
    refusal = already or (
        "The incident is closed." if standing.resolved else button.refuses(standing, title)
    )
    fallback = title(standing.fallback.provider) if standing.fallback else "the next provider"
    return Preflight(
        name=name,
        title=button.title.format(fallback=fallback),
        refusal=refusal,
        already=already is not None,
        would=() if refusal else button.would(standing, title, price),
        numbers={count: getattr(standing, count) for count in button.counts},
        safe=button.safe and not (name == "replay" and standing.holds),
        needs_reason=button.reason,
        needs_expiry=button.lasts,
    )


# Done already -----------------------------------------------------------------------------------


def _is_paused(s: Standing, _title: Title) -> str | None:
    if s.running:
        return None
    until = f" until {_at(s.paused_until)}" if s.paused_until else ""
    return f"The lanes are paused already, by {s.paused_by}{until}."


def _is_switched(s: Standing, title: Title) -> str | None:
    """By a person, or by itself because the credential is out."""
    here = title(s.provider)
    if s.override_state == "open" and s.override_moves:
        at = f" at {_at(s.switched_at)}" if s.switched_at else ""
        gone = f" {_went(s, title)}." if s.moved else ""
        return (
            f"It is switched already, {_by_hand(s)}{at}.{gone} “Back to automatic” gives "
            f"{here} what is new sooner."
        )
    if not (s.moved and s.out and s.override_state is None):
        return None
    back = (
        "once its lanes run again"
        if s.breaker == "closed"
        else "once one try of it goes well; it is tried by itself"
    )
    name = title(s.moved_to or "")
    if s.fallback is not None and not s.fallback.works:
        return (
            f"Switched by itself to {name}, which is out as well: {_went(s, title)}, and wait"
            f" there. {here} gets what is new {back}."
        )
    return (
        f"Already going by {name}. Switched by itself: {_went(s, title)}. {here} gets what is new"
        f" {back}."
    )


def _is_stopped(s: Standing, _title: Title) -> str | None:
    held_open = s.override_state == "open" and not s.override_moves
    return f"It is stopped already, {_by_hand(s)}." if held_open else None


def _is_forced(s: Standing, _title: Title) -> str | None:
    return f"It is tried already, {_by_hand(s)}." if s.override_state == "closed" else None


def _never(_s: Standing, _title: Title) -> str | None:
    return None


# Why not ----------------------------------------------------------------------------------------


def _nothing(_s: Standing, _title: Title) -> str | None:
    return None


def _nothing_paused(s: Standing, _title: Title) -> str | None:
    return None if s.paused else "No lane is paused."


def _nothing_due(s: Standing, _title: Title) -> str | None:
    return None if s.due else "Nothing is due that could be held."


def _nothing_held(s: Standing, _title: Title) -> str | None:
    if s.held_safe:
        return None
    if s.held_perhaps_sent:
        return "What is held may be out already: only a look at the provider decides, one by one."
    return "Nothing is held that is still of use."


def _nowhere(s: Standing, title: Title) -> str | None:
    if s.fallback is None:
        return "The practice has no second provider for this."
    name = title(s.fallback.provider)
    if not s.fallback.works:
        return f"{name} does not work either: its breaker is open or its lanes are paused."
    if s.naming and not s.fallback.may_carry_phi:
        return f"No agreement with {name} holds: what names clients may not go there."
    return None


def _forced(s: Standing, title: Title) -> str | None:
    if s.override_state is None and s.breaker == "closed":
        return f"The breaker is closed: {title(s.provider)} is being tried."
    return None


def _is_automatic(s: Standing, _title: Title) -> str | None:
    return None if s.override_state else "Nothing is set by hand: the breaker decides by itself."


def _by_hand(s: Standing) -> str:
    return f"by {s.override_by or 'a person'} until {_at(s.override_until)}"


# What would happen --------------------------------------------------------------------------------


def _pause(s: Standing, _title: Title, _price: Price | None) -> tuple[str, ...]:
    return (
        f"{_waiting(s)} would wait, and {_count(s.coming)} that fall due within the hour."
        if s.waiting or s.coming
        else "Nothing is due now or within the hour; whatever is booked or falls due would wait.",
        *_resting(s),
        *_in_hand(s),
        "Nothing goes over to another provider: a lane paused by hand keeps what it has.",
        *_time(s),
    )


def _resume(s: Standing, title: Title, _price: Price | None) -> tuple[str, ...]:
    lines = [f"{_waiting(s)} would go to {title(s.provider)}, {_pace(s)}."]
    lines += _resting(s)
    if s.useless:
        lines.append(f"{_count(s.useless)} would expire: their time has passed.")
    if s.breaker != "closed" and s.override_state != "closed":
        lines.append("The breaker is open: they go once it closes.")
    lines.append("If the cause is still there, the first refusal pauses the lanes again.")
    return tuple(lines)


def _hold(s: Standing, _title: Title, _price: Price | None) -> tuple[str, ...]:
    number = min(s.due, MOST_AT_ONCE)
    night = f", {s.resting:,} of which wait for the morning" if s.resting else ""
    return (
        f"{_count(number)} would be held{night}; none goes by itself any more.",
        *_in_hand(s),
        "What falls due later is not touched. “Send the held ones again” lets them go.",
        *_time(s),
    )


def _replay(s: Standing, title: Title, price: Price | None) -> tuple[str, ...]:
    number = min(s.held_safe, MOST_AT_ONCE)
    goes = f"{_count(number)} would go again, each under its own key: nobody gets one twice."
    lines = [" ".join((goes, *map(_held, s.holds)))]
    if s.held_useless:
        lines.append(f"{s.held_useless} are of no use any more and stay: their time has passed.")
    if s.held_perhaps_sent:
        lines.append(f"{s.held_perhaps_sent} may be out already and stay: look at the provider.")
    if s.unknown:
        lines.append(f"{s.unknown} of unknown outcome stay: {title(s.provider)} is asked.")
    lines.append(_cost(number, price))
    if not s.running:
        lines.append("The lanes are paused: they would wait until these run again.")
    return tuple(lines)


def _held(heap: Heap) -> str:
    since = f"since {_at(heap.held_at)}"
    return (
        f"A person holds {heap.safe:,} of them {since} ({heap.reason}): ask {heap.held_by} first."
    )


def _switch(s: Standing, title: Title, _price: Price | None) -> tuple[str, ...]:
    assert s.fallback is not None, "a switch without a fallback is refused"
    name, here = title(s.fallback.provider), title(s.provider)
    lines = [
        f"{_count(s.movable)} would go over to {name} now, and whatever falls due until then."
        if s.movable
        else f"Nothing waits now; whatever falls due until then would go by {name}.",
        f"Nothing new goes to {here}; then the breaker decides again.",
    ]
    if left := s.due - s.movable + s.unknown:
        lines.append(f"{left} perhaps sent stay: only {here} knows of them.")
    return (*lines, *_in_hand(s))


def _stop_trying(s: Standing, title: Title, _price: Price | None) -> tuple[str, ...]:
    return (
        f"The breaker is held open: {_waiting(s).lower()} would wait, nothing is asked of "
        f"{title(s.provider)}.",
        *_in_hand(s),
        "Nothing goes over to another provider: a breaker set by hand moves nothing.",
        *_time(s),
    )


def _try_anyway(s: Standing, title: Title, _price: Price | None) -> tuple[str, ...]:
    good = f"The last good call was {_at(s.last_good_at)}." if s.last_good_at else "None was good."
    return (
        f"The breaker is held closed: {_waiting(s).lower()} would be tried at once, {_pace(s)}.",
        f"{good} Failures no longer stop the sending until then; each message still waits longer "
        "after every failure.",
        *_resting(s),
        *_stays_there(s, title),
    )


def _automatic(s: Standing, _title: Title, _price: Price | None) -> tuple[str, ...]:
    now = {"closed": "sends", "open": "waits", "half_open": "tries one"}[s.breaker]
    return (
        f"The breaker decides again: as it stands it {now}. {_waiting(s)} wait{_s(s)} for it.",
        *_resting(s),
        "What has gone over to another provider stays there.",
    )


# In words ---------------------------------------------------------------------------------------


def _waiting(s: Standing) -> str:
    return f"{_count(s.waiting)} to {_people(s.people)}" if s.waiting else "Nothing that is due"


def _s(s: Standing) -> str:
    return "" if s.waiting > 1 else "s"


def _resting(s: Standing) -> tuple[str, ...]:
    """What is not sent at night goes by no button."""
    if not s.resting:
        return ()
    waits = "waits" if s.resting == 1 else "wait"
    hour = f" {s.morning.words}," if s.morning is not None else ""
    return (
        f"{_count(s.resting)} {waits} for the morning by the recipients’ clocks,{hour} and would"
        " still: no button sends at night.",
    )


def _in_hand(s: Standing) -> tuple[str, ...]:
    return (f"{_count(s.in_hand)} under way would still be finished.",) if s.in_hand else ()


def _stays_there(s: Standing, title: Title) -> tuple[str, ...]:
    if not s.moved:
        return ()
    return (f"{_went(s, title)}; they stay there.",)


def _time(s: Standing) -> tuple[str, ...]:
    return (f"The first becomes useless {_at(s.useful_until)}.",) if s.useful_until else ()


def _pace(s: Standing) -> str:
    return f"at most {s.rate_per_s:g} requests a second"


def _cost(number: int, price: Price | None) -> str:
    if price is None:
        return "What they cost is not known."
    return f"They cost about {number * price.amount:.2f} {price.currency}, if all are taken."


def _went(s: Standing, title: Title) -> str:
    """`8 messages have gone to SMTP relay since 2026-11-28 03:12 UTC`"""
    has = "has" if s.moved == 1 else "have"
    return f"{_count(s.moved)} {has} gone to {title(s.moved_to or '')} since {_at(s.moved_at)}"


def _count(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


def _people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "later"


_BUTTONS: Mapping[Name, _Button] = {
    "pause": _Button(
        "Pause the lanes", _is_paused, _nothing, _pause,
        ("waiting", "people", "coming", "in_hand"), safe=True, lasts=True,
    ),
    "resume": _Button(
        "Resume the lanes", _never, _nothing_paused, _resume,
        ("waiting", "people", "resting", "useless"), safe=False, lasts=False, reason=False,
    ),
    "hold": _Button(
        "Hold what is due", _never, _nothing_due, _hold,
        ("waiting", "people", "resting", "in_hand"), safe=True, lasts=False,
    ),
    "replay": _Button(
        "Send the held ones again", _never, _nothing_held, _replay,
        ("held_safe", "held_people", "held_perhaps_sent", "held_useless", "unknown"),
        safe=True, lasts=False, reason=False,
    ),
    "switch": _Button(
        "Switch to {fallback}", _is_switched, _nowhere, _switch,
        ("movable", "waiting", "unknown", "in_hand"), safe=True, lasts=True,
    ),
    "stop_trying": _Button(
        "Stop trying", _is_stopped, _nothing, _stop_trying,
        ("waiting", "people", "in_hand"), safe=True, lasts=True,
    ),
    "try_anyway": _Button(
        "Try anyway", _is_forced, _forced, _try_anyway,
        ("waiting", "people", "resting"), safe=False, lasts=True,
    ),
    "automatic": _Button(
        "Back to automatic", _never, _is_automatic, _automatic,
        ("waiting", "people"), safe=True, lasts=False, reason=False,
    ),
}  # fmt: skip
