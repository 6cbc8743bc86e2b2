"""What stood when, as strips of one day: the graver, the higher, and each state has its pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from mentalspace.console.chart import Bar, Chart

_HEIGHT = 12.0
_UNIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a state is drawn: `share` of the height, a fill or pattern, and how many units wide at
    least, so that what was there at all is seen."""

    words: str
    tone: str
    share: float
    least: float = 1.0


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "open": Kind("breaker open", "bad", 1.0),
        "half_open": Kind("half open, one message tries", "info", 0.55, least=0.4),
        "paused": Kind("paused by the runbook", "hatch-recipient", 0.8),
        "incident": Kind("open, nobody has it", "bad", 1.0),
        "acknowledged": Kind("acknowledged", "hatch-recipient", 0.6),
        # An alert rule's states but the normal one.
        "alerting": Kind("alerting", "bad", 1.0),
        "error": Kind("error", "bad", 0.8),
        "pending": Kind("pending", "warn", 0.55),
        "recovering": Kind("recovering", "warn", 0.4),
        "no_data": Kind("no data", "idle", 0.2),
    }
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A state from a moment to another; `until` is None while it lasts."""

    kind: str
    since: datetime
    until: datetime | None


def fold(
    events: Iterable[tuple[datetime, bool]],
    kind: str,
    since: datetime,
    standing: datetime | None,
) -> list[Stretch]:
    """Stretches out of what switched on and off, oldest first. What is first heard of by its end
    had begun before; `standing` is since when it is on now, and alone tells where nothing was
    heard."""
    found: list[Stretch] = []
    began: datetime | None = None
    heard = False
    for at, on in events:
        if on and began is None:
            began = at
        elif not on and (began is not None or not heard):
            found.append(Stretch(kind, began or since, at))
            began = None
        heard = True
    if not heard:
        began = standing
    if began is not None:
        found.append(Stretch(kind, began, None if standing else began))
    return found


def draw_strip(stretches: Sequence[Stretch], since: datetime, now: datetime, calm: str) -> Chart:
    """From `since` to `now`; `calm` says it where nothing stood."""
    width = (now - since) / _UNIT
    bars = [Bar(0, _HEIGHT - 0.8, width, 0.8, "none")]
    # What is lower is drawn over what is higher, and stays in sight.
    for each in sorted(stretches, key=lambda one: -KINDS[one.kind].share):
        kind = KINDS[each.kind]
        start = max(0.0, (each.since - since) / _UNIT)
        end = min(width, ((each.until or now) - since) / _UNIT)
        if end < 0:
            continue
        height = round(_HEIGHT * kind.share, 1)
        long = max(kind.least, end - start)
        x = min(start, width - long)
        bars.append(Bar(round(x, 2), round(_HEIGHT - height, 1), round(long, 2), height, kind.tone))
    return Chart(width, _HEIGHT, tuple(bars), _text(stretches, since, now, calm))


def _text(stretches: Sequence[Stretch], since: datetime, now: datetime, calm: str) -> str:
    if not stretches:
        return calm
    said = []
    for kind in dict.fromkeys(each.kind for each in stretches):
        same = [each for each in stretches if each.kind == kind]
        length = sum(((e.until or now) - max(e.since, since) for e in same), timedelta())
        times = "once" if len(same) == 1 else f"{len(same)} times"
        minutes = int(length.total_seconds() // 60)
        long = f"{minutes} min" if minutes else "under a minute"
        lasts = ", and still" if any(each.until is None for each in same) else ""
        said.append(f"{KINDS[kind].words}: {times}, {long}{lasts}")
    return "; ".join(said) + "."
