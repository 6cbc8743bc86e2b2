"""Figures as series, from what was counted ahead: days, hours of the week, five minutes.

Everything here is a quarter of an hour old at least, holds no drill, and reads a few rows however
large the ledger is. Runs as on-call, for the credentials that the visitor may see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.spread import Spread, add, percentile, slots

_SUMS = """
coalesce(sum(r.accepted), 0)::int8 as accepted, coalesce(sum(r.units), 0)::int8 as units,
coalesce(sum(r.accepted) filter (where c.follows), 0)::int8 as sent,
coalesce(sum(r.delivered), 0)::int8 as delivered,
coalesce(sum(r.silent) filter (where c.follows), 0)::int8 as silent,
coalesce(sum(r.silent) filter (where not c.follows), 0)::int8 as untold,
coalesce(sum(r.recipient), 0)::int8 as recipient, coalesce(sum(r.ours), 0)::int8 as ours,
coalesce(sum(r.theirs), 0)::int8 as theirs, coalesce(sum(r.send_sum_s), 0)::float8 as send_sum_s,
coalesce(sum(r.way_sum_s), 0)::float8 as way_sum_s,
coalesce(sum(r.requests), 0)::int8 as requests,
coalesce(sum(r.requests_theirs), 0)::int8 as requests_theirs,
coalesce(sum(r.opt_outs), 0)::int8 as opt_outs
"""
_OF_DAYS = """
rollup_day r where r.credential_id = any ($1)
   and r.day > (app.now() at time zone $3)::date - $2::int
   and r.day <= (app.now() at time zone $3)::date
"""
_DAYS = f"""
select days.day::date as day, {_SUMS}
  from generate_series((app.now() at time zone $3)::date - ($2::int - 1),
                       (app.now() at time zone $3)::date, interval '1 day') as days (day)
  left join (rollup_day r join credential c on c.id = r.credential_id and c.id = any ($1)
               and r.day > (app.now() at time zone $3)::date - $2::int)
    on r.day = days.day
 group by 1 order by 1
"""
_SPREADS = f"""
select day, which, jsonb_object_agg(slot, hits) as spread
  from (select r.day, times.which, s.key as slot, sum(s.value::int8)::int8 as hits
          from (select * from {_OF_DAYS}) r
         cross join lateral (values ('send', r.send_spread), ('way', r.way_spread))
                    as times (which, spread)
         cross join lateral jsonb_each_text(times.spread) s
         group by 1, 2, 3) x
 group by 1, 2
"""
_NAMED = f"""
select of_what, name, sum(hits)::int8 as hits
  from (select 'code' as of_what, e.key as name, e.value::int8 as hits
          from (select * from {_OF_DAYS}) r cross join lateral jsonb_each_text(r.codes) e
        union all
        select 'event', e.key, e.value::int8
          from (select * from {_OF_DAYS}) r cross join lateral jsonb_each_text(r.events) e) x
 group by 1, 2 order by 3 desc, 2
"""
_PEOPLE = """
select count(distinct recipient_key) from reached where credential_id = any ($1)
   and last_at >= ((app.now() at time zone $3)::date - ($2::int - 1))::timestamp at time zone $3
"""
# On the practice's own clock; Monday is 0.
_WEEK = """
select extract(isodow from local.at)::int - 1 as weekday, extract(hour from local.at)::int as hour,
       sum(r.accepted)::int8 as accepted, sum(r.delivered)::int8 as delivered,
       sum(r.recipient)::int8 as recipient, sum(r.ours + r.theirs)::int8 as failed
  from rollup_hour r join practice p on p.id = r.practice_id
 cross join lateral (select r.at at time zone p.timezone as at) local
 where r.credential_id = any ($1) and r.at > app.now() - $2 * interval '7 days'
 group by 1, 2
"""
_FIVE_MINUTES = """
select r.integration, r.provider, r.at, r.accepted, r.delivered, r.silent, r.recipient, r.ours,
       r.theirs, r.requests, r.requests_theirs, r.send_spread, r.way_spread
  from rollup_platform r
 where r.integration = $1 and r.at > app.now() - $2 * interval '1 s'
 order by r.provider, r.at
"""
# Today, and the same weekday of the weeks before, each until this hour began.
_UNTIL_THIS_HOUR = """
select days.day::date as day, coalesce(sum(r.units), 0)::int8 as units
  from generate_series(0, $2::int) as ago
 cross join lateral (select (app.now() at time zone $3)::date - 7 * ago as day) days
  left join (rollup_hour r join practice p on p.id = r.practice_id and r.credential_id = any ($1))
    on (r.at at time zone p.timezone)::date = days.day
   and r.at > app.now() - ($2 * 7 + 2) * interval '1 day'
   and extract(hour from r.at at time zone p.timezone)
       < extract(hour from app.now() at time zone p.timezone)
 group by 1 order by 1 desc
"""
# What a list of messages shows and no figure holds yet.
_UNCOUNTED = """
select (select count(*) from delivery
         where credential_id = any ($1) and drill is null and status not in ('cancelled')
           and coalesce(accepted_at, ended_at) >= coalesce($2, app.now() - interval '1 day'))
         as young,
       (select count(*) from delivery
         where credential_id = any ($1) and drill is null
           and status in ('pending', 'due', 'sending', 'unknown', 'held')
           and accepted_at is null) as waiting
"""
_FOLDED = "select folded_until from rollup_state"


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of a practice's own. `sent` is what its provider may have spoken of; what is
    `accepted` and neither delivered nor ended is `silent`, or `untold` if its provider never says
    more. `units` times the price is the cost."""

    day: date
    accepted: int = 0
    units: int = 0
    sent: int = 0
    delivered: int = 0
    silent: int = 0
    untold: int = 0
    recipient: int = 0
    ours: int = 0
    theirs: int = 0
    send_sum_s: float = 0.0
    way_sum_s: float = 0.0
    requests: int = 0
    requests_theirs: int = 0
    opt_outs: int = 0
    send: Spread = field(default_factory=dict)
    way: Spread = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.ours + self.theirs

    def send_s(self, share: float) -> float | None:
        """Seconds that this share took at most until the provider had them."""
        return percentile(self.send, share)

    def way_s(self, share: float) -> float | None:
        """Seconds that this share took at most from there to being delivered."""
        return percentile(self.way, share)


@dataclass(frozen=True, slots=True)
class Span:
    """Several days: each, oldest first; the codes that messages ended badly by, the most frequent
    first; messages by the metric that counts their event; people reached."""

    days: Sequence[DayFigures]
    codes: Mapping[str, int]
    events: Mapping[str, int]
    people: int

    @property
    def total(self) -> DayFigures:
        """All of it as one, under its last day."""
        names = [name for name in _NUMBERS if name != "day"]
        sums = {name: sum(getattr(day, name) for day in self.days) for name in names}
        return DayFigures(
            self.days[-1].day,
            **sums,
            send=add(day.send for day in self.days),
            way=add(day.way for day in self.days),
        )


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Messages of which no figure tells yet: taken or ended too lately, or still to be sent."""

    young: int
    waiting: int


@dataclass(frozen=True, slots=True)
class HourOfWeek:
    accepted: int = 0
    delivered: int = 0
    recipient: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class FiveMinutes:
    """Of one provider and all practices, from `at` on."""

    integration: str
    provider: str
    at: datetime
    accepted: int
    delivered: int
    silent: int
    recipient: int
    ours: int
    theirs: int
    requests: int
    requests_theirs: int
    send: Spread
    way: Spread


_NUMBERS = (
    "day", "accepted", "units", "sent", "delivered", "silent", "untold", "recipient", "ours",
    "theirs", "send_sum_s", "way_sum_s", "requests", "requests_theirs", "opt_outs",
)  # fmt: skip


async def read_span(
    connection: Connection, credential_ids: Sequence[UUID], days: int, zone: str
) -> Span:
    """The last so many days, today among them. `zone` says what today is; the days themselves are
    each practice's own."""
    asked = (list(credential_ids), days, zone)
    rows = await connection.fetch(_DAYS, *asked)
    spreads = {
        (row["day"], row["which"]): slots(row["spread"])
        for row in await connection.fetch(_SPREADS, *asked)
    }
    named: dict[str, dict[str, int]] = {"code": {}, "event": {}}
    for row in await connection.fetch(_NAMED, *asked):
        named[row["of_what"]][row["name"]] = row["hits"]
    people: int = await connection.fetchval(_PEOPLE, *asked)
    return Span([_day(row, spreads) for row in rows], named["code"], named["event"], people)


async def read_uncounted(
    connection: Connection, credential_ids: Sequence[UUID], until: datetime | None
) -> Uncounted:
    """What lies beyond what is counted `until` then."""
    row = await connection.fetchrow(_UNCOUNTED, list(credential_ids), until)
    assert row is not None
    return Uncounted(row["young"], row["waiting"])


async def read_week(
    connection: Connection, credential_ids: Sequence[UUID], weeks: int
) -> list[list[HourOfWeek]]:
    """Seven days of 24 hours, Monday first, on each practice's own clock: sums of the last weeks,
    of which five are kept."""
    week = [[HourOfWeek() for _hour in range(24)] for _day in range(7)]
    for row in await connection.fetch(_WEEK, list(credential_ids), weeks):
        counted = (row["accepted"], row["delivered"], row["recipient"], row["failed"])
        week[row["weekday"]][row["hour"]] = HourOfWeek(*counted)
    return week


async def read_until_this_hour(
    connection: Connection, credential_ids: Sequence[UUID], weeks: int, zone: str
) -> list[tuple[date, int]]:
    """Units of today, then of the same weekday in each of the weeks before, each only until this
    hour of the practice's clock began."""
    rows = await connection.fetch(_UNTIL_THIS_HOUR, list(credential_ids), weeks, zone)
    return [(row["day"], row["units"]) for row in rows]


async def read_five_minutes(
    connection: Connection, integration: str, span: timedelta
) -> list[FiveMinutes]:
    """Every practice together, by provider, oldest first; five minutes of nothing are left out."""
    rows = await connection.fetch(_FIVE_MINUTES, integration, span.total_seconds())
    return [_five(row) for row in rows]


async def read_folded_until(connection: Connection) -> datetime | None:
    """Up to when everything is counted; None before the first time."""
    until: datetime | None = await connection.fetchval(_FOLDED)
    return until


def _day(row: Any, spreads: Mapping[tuple[date, str], Spread]) -> DayFigures:
    numbers = {name: row[name] for name in _NUMBERS}
    day = row["day"]
    return DayFigures(
        **numbers, send=spreads.get((day, "send"), {}), way=spreads.get((day, "way"), {})
    )


def _five(row: Any) -> FiveMinutes:
    numbers = dict(row)
    send, way = slots(numbers.pop("send_spread")), slots(numbers.pop("way_spread"))
    return FiveMinutes(**numbers, send=send, way=way)
