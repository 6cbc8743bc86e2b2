"""When a client is reminded: so long before an appointment, on the client's own clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAY_MIN = 1440
DEFAULT_LEADS: tuple[int, ...] = (DAY_MIN,)
SHORTEST_LEAD_MIN = 15
LONGEST_LEAD_MIN = 30 * DAY_MIN
MOST_LEADS = 5


@dataclass(frozen=True, slots=True)
class Reminder:
    """Pointless from `expires_at` on: the next one is due, or the appointment begins."""

    lead_min: int
    due_at: datetime
    expires_at: datetime


def plan_reminders(
    starts_at: datetime, timezone: str, leads_min: Collection[int]
) -> tuple[Reminder, ...]:
    """All of them, the earliest first; of two that fall on one instant, the shorter lead's.

    A lead of whole days means the same wall-clock time so many days before in `timezone`,
    which is 23 or 25 hours across a change of clocks; any other is that many minutes. A wall
    clock that shows the time twice is taken at the first; one that skips it, so much later.
    """
    due = {_due_at(starts_at, timezone, lead): lead for lead in sorted(leads_min, reverse=True)}
    instants = sorted(due)
    return tuple(
        Reminder(due[at], at, until)
        for at, until in zip(instants, [*instants, starts_at][1:], strict=True)
    )


def reminder_times(
    starts_at: datetime, timezone: str, leads_min: Collection[int], now: datetime
) -> tuple[Reminder, ...]:
    """Those whose time is still to come: what is booked later than a lead has none of it."""
    return tuple(r for r in plan_reminders(starts_at, timezone, leads_min) if r.due_at > now)


def mistake_in_leads(leads_min: Iterable[int]) -> str | None:
    """What is wrong with them, in a sentence for whoever wrote them."""
    leads = list(leads_min)
    if len(leads) > MOST_LEADS:
        return f"There can be {MOST_LEADS} reminders at most."
    if len(set(leads)) < len(leads):
        return "Two reminders are at the same time."
    if any(not SHORTEST_LEAD_MIN <= lead <= LONGEST_LEAD_MIN for lead in leads):
        return (
            f"A reminder is due between {SHORTEST_LEAD_MIN} minutes and"
            f" {LONGEST_LEAD_MIN // DAY_MIN} days before."
        )
    return None


def _due_at(starts_at: datetime, timezone: str, lead_min: int) -> datetime:
    days, rest_min = divmod(lead_min, DAY_MIN)
    if rest_min:
        return starts_at - timedelta(minutes=lead_min)
    local = starts_at.astimezone(ZoneInfo(timezone))
    return (local - timedelta(days=days)).replace(fold=0).astimezone(UTC)
