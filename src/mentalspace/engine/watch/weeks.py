"""The same hour of earlier weeks, on the practice's own clock: what is usual at this time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection

WEEKS = 4
# One week is no custom.
FEWEST_WEEKS = 2

# How many messages a provider took from each credential between two instants, and within the last
# part of that; and since when it takes any. With $6 what they weigh, which is what they cost.
_TAKEN = """
select w.credential_id, w.week, n.taken, n.recent, first.at as first_at
  from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
         as w (credential_id, week, since, recent_since, until)
  left join lateral (
    select coalesce(d.accepted_at, d.ended_at) as at from delivery d
     where d.credential_id = w.credential_id and coalesce(d.accepted_at, d.ended_at) is not null
     order by coalesce(d.accepted_at, d.ended_at) limit 1) first on true
 cross join lateral (
    select coalesce(sum(u.units), 0)::int8 as taken,
           coalesce(sum(u.units) filter (
             where coalesce(d.accepted_at, d.ended_at) > w.recent_since), 0)::int8 as recent
      from delivery d
     cross join lateral (select case when $6 then d.weight else 1 end as units) u
     where d.credential_id = w.credential_id and d.accepted_at is not null
       and coalesce(d.accepted_at, d.ended_at) > w.since
       and coalesce(d.accepted_at, d.ended_at) <= w.until) n
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Since when and until when to count; `recent_since` begins its last part."""

    since: datetime
    until: datetime
    recent_since: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages, or what they weigh, taken in this week's span and its last part, and in those of
    the weeks before.

    Weeks in which the credential did not send yet are left out.
    """

    now: int
    recent: int
    before: tuple[int, ...]
    recent_before: tuple[int, ...]

    @property
    def usual(self) -> float | None:
        """The middle one of earlier weeks, whom a holiday or an import does not move."""
        return median(self.before) if len(self.before) >= FEWEST_WEEKS else None

    @property
    def usual_recent(self) -> float | None:
        return median(self.recent_before) if len(self.before) >= FEWEST_WEEKS else None


def last_window(zone: str, now: datetime, window_s: float, week: int) -> Span:
    """The window that ended so many weeks ago, at this time of day and day of the week."""
    until = _weeks_ago(zone, now, week)
    since = until - timedelta(seconds=window_s)
    return Span(since, until, since)


def day_so_far(zone: str, now: datetime, recent_s: float, week: int) -> Span:
    """From the practice's midnight to this time of day, so many weeks ago."""
    until = _weeks_ago(zone, now, week)
    clock = ZoneInfo(zone)
    midnight = datetime.combine(until.astimezone(clock).date(), time(), clock).astimezone(UTC)
    return Span(midnight, until, until - timedelta(seconds=recent_s))


def is_open(opening: Sequence[Sequence[int] | None], zone: str, now: datetime) -> bool:
    """Whether the practice's week has it open on its own clock."""
    local = now.astimezone(ZoneInfo(zone))
    window = opening[local.weekday()]
    return window is not None and window[0] <= local.hour * 60 + local.minute < window[1]


async def read_taken(
    connection: Connection, spans: Mapping[UUID, Sequence[Span]], *, weighed: bool = False
) -> dict[UUID, Taken]:
    """`spans` of each credential are this week's first, then each earlier week's. They count
    messages, or `weighed` what those weigh: a text its segments."""
    asked = [
        (each, week, span.since, span.recent_since, span.until)
        for each, weeks in spans.items()
        for week, span in enumerate(weeks)
    ]
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    rows = await connection.fetch(_TAKEN, *columns, weighed)
    counted = {(row["credential_id"], row["week"]): row for row in rows}
    return {each: _taken(each, weeks, counted) for each, weeks in spans.items()}


def _taken(
    credential_id: UUID, weeks: Sequence[Span], counted: Mapping[tuple[UUID, int], Any]
) -> Taken:
    rows = [counted[credential_id, week] for week in range(len(weeks))]
    first_at = rows[0]["first_at"]
    known = [
        row
        for row, span in zip(rows[1:], weeks[1:], strict=True)
        if first_at is not None and first_at <= span.until
    ]
    return Taken(
        now=rows[0]["taken"],
        recent=rows[0]["recent"],
        before=tuple(row["taken"] for row in known),
        recent_before=tuple(row["recent"] for row in known),
    )


def _weeks_ago(zone: str, now: datetime, weeks: int) -> datetime:
    """By the wall clock: a change of the clocks in between moves the instant. Now is now: within
    the hour that comes twice the wall does not say which of the two it is."""
    if not weeks:
        return now
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - timedelta(weeks=weeks)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
