"""Counts a room's metrics from the ledger: shares with their n, times with their spread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil, floor
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Measure, Metric, Of, Op, Overview

HOUR_S = 3_600.0
DAY_S = 86_400.0
MONTH_S = 30 * DAY_S
SPANS = (HOUR_S, DAY_S, MONTH_S)

# What a provider took may be spoken of this much later: until then it is too young to judge.
# A drill's traffic is judged at once: a drill cannot wait, and its rules are meant to fire.
GROWN_AFTER_S = 900.0
# Below this a percentage says more than is known.
ENOUGH = 20
SHOWN_CODES = 4

# What is counted together and since when: $1 credentials, $2 spans, $3 whether all credentials are
# one. The clock is asked once, and each key's rows are read by their own index.
_KEYS = f"""
with clock as materialized (
  select app.now() as now
), whose as materialized (
  select null::uuid as credential_id, $1::uuid[] as ids, null::text as drill,
         (select array_agg(id) from credential where id = any ($1) and follows) as told where $3
  union all
  select id, array[id], drill, array_remove(array[case when follows then id end], null)
    from credential where id = any ($1) and not $3
), k as materialized (
  select w.credential_id, w.ids, w.drill, w.told, s.span_s,
         clock.now - s.span_s * interval '1 s' as since,
         case when w.drill is null then clock.now - {GROWN_AFTER_S} * interval '1 s'
              else 'infinity' end as grown_until
    from clock cross join whose w cross join unnest($2::float8[]) as s (span_s)
)
"""
# $4 the cases that are the recipients' own, $5 and $6 the targets of the two times, $7 when it is
# late. A message
# belongs to the span in which the provider took it, or in which it ended untaken. Of a provider
# that never says what became of what it took, nothing is known to be sent or silent.
_COUNTS = (
    _KEYS
    + """
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select count(*) filter (where taken) as accepted,
           count(*) filter (where taken and grown and told) as sent,
           count(*) filter (where taken and not grown and told) as young,
           count(*) filter (where grown and status = 'delivered') as delivered,
           count(*) filter (where grown and status = 'accepted' and told) as silent,
           count(*) filter (where grown and ended and recipients) as recipient,
           count(*) filter (where grown and ended and not recipients) as failed,
           min(ended_at) filter (where grown and ended and not recipients) as first_failed_at,
           count(send_s) as send_n, avg(send_s) as send_avg,
           percentile_cont(array[0.5, 0.95]) within group (order by send_s) as send_p,
           count(*) filter (where send_s < $5) as send_prompt,
           count(way_s) as way_n, avg(way_s) as way_avg,
           percentile_cont(array[0.5, 0.95]) within group (order by way_s) as way_p,
           count(*) filter (where way_s < $6) as way_prompt,
           count(*) filter (where way_s > $7) as late
      from (
        select d.status, d.ended_at, d.credential_id = any (k.told) as told,
               d.accepted_at is not null or d.status in ('delivered', 'bounced') as taken,
               coalesce(d.accepted_at, d.ended_at) <= k.grown_until as grown,
               d.status in ('bounced', 'refused', 'failed', 'expired') as ended,
               d.status = 'bounced' or coalesce(d.last_case = any ($4), false) as recipients,
               case when d.accepted_at is not null then
                 greatest(extract(epoch from d.accepted_at - d.due_at), 0)::float8 end as send_s,
               case when d.status = 'delivered' and d.accepted_at <= k.grown_until then
                 greatest(extract(epoch from d.ended_at - d.accepted_at), 0)::float8 end as way_s
          from delivery d
         where d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
           and coalesce(d.accepted_at, d.ended_at) > k.since and d.status <> 'cancelled') d) n
"""
)
_REQUESTS = (
    _KEYS
    + """
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select count(*) as requests, count(*) filter (where a.fault = 'theirs') as theirs
      from attempt a
     where a.credential_id = any (k.ids) and a.drill is not distinct from k.drill
       and a.state <> 'open' and a.finished_at > k.since) n
"""
)
# From the few events of these names ($4) to their messages, not the other way round.
_EVENTS = (
    _KEYS
    + """
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select count(distinct d.id) as hits, min(t.at) as first_at
      from timeline t join delivery d on d.id = t.delivery_id
     where t.kind = 'provider_event' and t.data ->> 'event' = any ($4) and t.at > k.since
       and d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
       and coalesce(d.accepted_at, d.ended_at) > k.since
       and coalesce(d.accepted_at, d.ended_at) <= k.grown_until) n
"""
)
# People: who was reached, and who said in the span that they want no more ($4 their reasons).
_OPT_OUTS = (
    _KEYS
    + """
select k.credential_id, k.span_s, reached.*, left_us.*
  from k cross join lateral (
    select count(distinct d.recipient_key) as n from delivery d
     where d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
       and d.status = 'delivered' and d.accepted_at > k.since) reached
 cross join lateral (
    select count(distinct s.recipient_key) as hits, min(s.created_at) as first_at
      from suppression s
     where (s.practice_id, s.integration) in (
             select practice_id, integration from credential where id = any (k.ids))
       and s.reason = any ($4) and s.drill is not distinct from k.drill
       and s.created_at > k.since) left_us
"""
)
# By the provider's own code, said later or at once; by our case where there is none.
_CODES = (
    _KEYS
    + """
select k.credential_id, k.span_s, n.*
  from k cross join lateral (
    select coalesce(told.code, tried.code, d.last_case) as code, count(*) as hits
      from delivery d
      left join lateral (
        select t.data ->> 'code' as code from timeline t
         where t.delivery_id = d.id and t.kind = 'provider_event' and t.data ? 'case'
         order by t.id desc limit 1) told on true
      left join lateral (
        select a.code from attempt_delivery ad join attempt a on a.id = ad.attempt_id
         where ad.delivery_id = d.id and a.code is not null
         order by a.finished_at desc limit 1) tried on true
     where d.credential_id = any (k.ids) and d.drill is not distinct from k.drill
       and d.status in ('bounced', 'refused', 'failed', 'expired')
       and coalesce(d.accepted_at, d.ended_at) > k.since
       and coalesce(d.accepted_at, d.ended_at) <= k.grown_until
     group by 1) n
 where n.code is not null order by n.hits desc, n.code
"""
)

# A credential, or None for all of them as one; and a span.
Key: TypeAlias = tuple[UUID | None, float]


@dataclass(frozen=True, slots=True)
class Counts:
    """What of a span's messages is old enough to judge, and how it ended.

    `accepted` is all the provider took, `sent` what it may have spoken of by now, `young` the
    part that is not judged yet; `recipient` ended by the recipient's own fault, `failed` by ours
    or the provider's.
    """

    accepted: int = 0
    sent: int = 0
    young: int = 0
    delivered: int = 0
    silent: int = 0
    recipient: int = 0
    failed: int = 0
    late: int = 0
    first_failed_at: datetime | None = None
    send: Times | None = None
    way: Times | None = None
    requests: int = 0
    theirs: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: average, median, 95th percentile; and how many of `n` were under their target."""

    n: int
    average: float
    p50: float
    p95: float
    prompt: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric over one span. A share is `hits` of `n`; a time's value is its average.

    `codes` says how often each of a provider's codes stands behind a share of failures.
    """

    metric: Metric
    span_s: float
    hits: int
    n: int
    value: float | None
    times: Times | None = None
    first_bad_at: datetime | None = None
    codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """How many of `n` are on the side that the target keeps small."""
        return self.n - self.hits if self.metric.op is Op.ABOVE else self.hits

    @property
    def on_target(self) -> bool | None:
        """None where there are too few to say."""
        if self.value is None or (self.times is None and self.n < ENOUGH):
            return None
        target = self.metric.target
        return self.value > target if self.metric.op is Op.ABOVE else self.value < target

    @property
    def text(self) -> str:
        """`99.2% of 480`, `3 of 4`, `1.2 s of 480`, or that there is nothing yet."""
        if self.value is None:
            return "no data"
        if self.times is not None:
            return f"{self.value:.1f} s of {self.n:,}"
        if self.n < ENOUGH:
            return f"{self.hits} of {self.n}"
        return f"{self.percent} of {self.n:,}"

    @property
    def codes_text(self) -> str:
        """`30007 5, 30005 2 and 3 others`: the most frequent of a share's codes."""
        most = list(self.codes.items())[:SHOWN_CODES]
        others = sum(self.codes.values()) - sum(hits for _code, hits in most)
        text = ", ".join(f"{code} {hits}" for code, hits in most)
        return f"{text} and {others} others" if others else text

    @property
    def percent(self) -> str:
        """`99.95%`; rounded to the bad side, so that no share looks on target that is not."""
        if self.value is None:
            return "no data"
        hundredths = self.value * 10_000
        rounded = (
            floor(hundredths + 1e-9) if self.metric.op is Op.ABOVE else ceil(hundredths - 1e-9)
        )
        return f"{rounded / 100:g}%"


@dataclass(frozen=True, slots=True)
class Rates:
    """Everything counted, by credential and span."""

    counts: Mapping[Key, Counts]
    readings: Mapping[Key, Sequence[Reading]]

    def at(self, credential_id: UUID | None, span_s: float) -> Sequence[Reading]:
        return self.readings[credential_id, span_s]

    def reading(self, metric_id: str, credential_id: UUID | None, span_s: float) -> Reading:
        """LookupError for a metric that is not counted."""
        for reading in self.readings[credential_id, span_s]:
            if reading.metric.id == metric_id:
                return reading
        raise LookupError(f"{metric_id} is not counted")


async def read_rates(
    connection: Connection,
    overview: Overview,
    recipient_cases: Collection[str],
    credential_ids: Sequence[UUID],
    spans: Sequence[float],
    *,
    pooled: bool = False,
    only: Metric | None = None,
) -> Rates:
    """Count the overview's metrics for each credential, or for all of them as one.

    Runs as the dispatcher or as on-call. A drill's credential counts its own traffic, any other
    counts no drill's.
    """
    ids, keys = list(credential_ids), _keys(credential_ids, spans, pooled)
    targets = {metric.measure: metric.target for metric in overview.metrics if metric.measure}
    late_after_s = max((metric.late_after_s for metric in overview.metrics), default=0.0)
    rows = await connection.fetch(
        _COUNTS,
        ids,
        list(spans),
        pooled,
        list(recipient_cases),
        targets.get(Measure.SEND_TIME, 0.0),
        targets.get(Measure.DELIVERY_TIME, 0.0),
        late_after_s,
    )
    requests = await connection.fetch(_REQUESTS, ids, list(spans), pooled)
    counts = _merge(keys, rows, requests)
    readings: dict[Key, list[Reading]] = {key: [] for key in keys}
    for metric in overview.metrics if only is None else (only,):
        if metric.measure is None:
            continue
        more = await _more(connection, metric, ids, spans, pooled)
        for key in keys:
            read = _MEASURES[metric.measure]
            readings[key].append(read(metric, key[1], counts[key], more.get(key, ())))
    return Rates(counts, readings)


async def _more(
    connection: Connection, metric: Metric, ids: list[UUID], spans: Sequence[float], pooled: bool
) -> dict[Key, list[Any]]:
    """The rows of the measures that have a question of their own."""
    asked: tuple[Any, ...] = (ids, list(spans), pooled)
    match metric.measure:
        case Measure.EVENT_RATE:
            rows = await connection.fetch(_EVENTS, *asked, list(metric.events))
        case Measure.OPT_OUT_RATE:
            rows = await connection.fetch(_OPT_OUTS, *asked, list(metric.reasons))
        case Measure.FAILURE_RATE:
            rows = await connection.fetch(_CODES, *asked)
        case _:
            rows = []
    found: dict[Key, list[Any]] = {}
    for row in rows:
        found.setdefault((row["credential_id"], row["span_s"]), []).append(row)
    return found


def _keys(ids: Sequence[UUID], spans: Sequence[float], pooled: bool) -> list[Key]:
    whose: Sequence[UUID | None] = [None] if pooled else ids
    return [(credential_id, span_s) for credential_id in whose for span_s in spans]


def _merge(keys: Sequence[Key], rows: Sequence[Any], requests: Sequence[Any]) -> dict[Key, Counts]:
    found = {(row["credential_id"], row["span_s"]): row for row in rows}
    asked = {(row["credential_id"], row["span_s"]): row for row in requests}
    return {key: _counts(found.get(key), asked.get(key)) for key in keys}


def _counts(row: Any | None, asked: Any | None) -> Counts:
    requests = {"requests": asked["requests"], "theirs": asked["theirs"]} if asked else {}
    if row is None:
        return Counts(**requests)
    plain = ("accepted", "sent", "young", "delivered", "silent", "recipient", "failed", "late")
    return Counts(
        **{name: row[name] for name in (*plain, "first_failed_at")},
        send=_times(row, "send"),
        way=_times(row, "way"),
        **requests,
    )


def _times(row: Any, name: str) -> Times | None:
    if not row[f"{name}_n"]:
        return None
    p50, p95 = row[f"{name}_p"]
    return Times(row[f"{name}_n"], row[f"{name}_avg"], p50, p95, row[f"{name}_prompt"])


# The measures ---------------------------------------------------------------------------------


def _share(
    metric: Metric, span_s: float, hits: int, n: int, first_bad_at: datetime | None = None
) -> Reading:
    value = hits / n if n else None
    return Reading(metric, span_s, hits, n, value, first_bad_at=first_bad_at)


def _delivery_rate(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.delivered, c.delivered + c.failed, c.first_failed_at)


def _event_rate(metric: Metric, span_s: float, c: Counts, rows: Rows) -> Reading:
    n = c.delivered if metric.of is Of.DELIVERED else c.sent
    hits, first_at = (rows[0]["hits"], rows[0]["first_at"]) if rows else (0, None)
    # A complaint's own message may have lost its `delivered`: it was, all the same.
    return _share(metric, span_s, hits, max(n, hits), first_at)


def _availability(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.requests - c.theirs, c.requests)


def _failure_rate(metric: Metric, span_s: float, c: Counts, rows: Rows) -> Reading:
    bad = c.recipient + c.failed
    reading = _share(metric, span_s, bad, c.delivered + bad, c.first_failed_at)
    return replace(reading, codes={row["code"]: row["hits"] for row in rows})


def _late_rate(metric: Metric, span_s: float, c: Counts, _rows: Rows) -> Reading:
    return _share(metric, span_s, c.late, c.way.n if c.way else 0)


def _opt_out_rate(metric: Metric, span_s: float, _counts: Counts, rows: Rows) -> Reading:
    [row] = rows
    # Whoever leaves was reached once, if not within the span.
    return _share(metric, span_s, row["hits"], max(row["n"], row["hits"]), row["first_at"])


def _time(metric: Metric, span_s: float, times: Times | None) -> Reading:
    if times is None:
        return Reading(metric, span_s, 0, 0, None)
    return Reading(metric, span_s, times.prompt, times.n, times.average, times)


Rows: TypeAlias = Sequence[Any]
Read: TypeAlias = Callable[[Metric, float, Counts, Rows], Reading]

_MEASURES: Mapping[Measure, Read] = MappingProxyType(
    {
        Measure.DELIVERY_RATE: _delivery_rate,
        Measure.EVENT_RATE: _event_rate,
        Measure.AVAILABILITY: _availability,
        Measure.FAILURE_RATE: _failure_rate,
        Measure.LATE_RATE: _late_rate,
        Measure.OPT_OUT_RATE: _opt_out_rate,
        Measure.SEND_TIME: lambda metric, span_s, c, _rows: _time(metric, span_s, c.send),
        Measure.DELIVERY_TIME: lambda metric, span_s, c, _rows: _time(metric, span_s, c.way),
    }
)
