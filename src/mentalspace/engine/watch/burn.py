"""Rules on how fast the budget of failures burns: over a long window, and still over a short one.

Counted are messages that were tried, by what the window's tries came to, so that an outage is seen
while its messages still wait for their next try.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, BurnWindow, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing
from mentalspace.engine.watch.rate import faults_of, healthy_failures

# What failed and then went within the window has gone; the recipients' own faults are no failures.
# Credential by credential, try by try: the planner cannot know how few tries a window holds, and
# would read every link there is. Where nothing failed there is nothing to link: each try counts,
# whatever number of messages it carried.
_TRIED = """
with clock as materialized (select app.now() as now
), tries as materialized (
  select c.id as credential_id, a.*,
         bool_or(a.fault in ('ours', 'theirs')) over (partition by c.id) as troubled
    from clock cross join unnest($1::uuid[]) as c (id)
   cross join lateral (
     select a.id, a.state, a.fault, a.started_at, a.finished_at from attempt a
      where a.credential_id = c.id and a.finished_at > clock.now - $3 * interval '1 s'
        and (a.state = 'succeeded' or a.fault in ('ours', 'theirs'))
     offset 0) a
), tried as materialized (
  select t.credential_id, ad.delivery_id,
         max(t.finished_at) filter (where t.state = 'succeeded') as good_at,
         max(t.finished_at) filter (where t.fault in ('ours', 'theirs')) as bad_at,
         min(t.started_at) filter (where t.fault in ('ours', 'theirs')) as first_bad_at
    from tries t cross join lateral (
      select ad.delivery_id from attempt_delivery ad where ad.attempt_id = t.id offset 0) ad
   where t.troubled group by t.credential_id, ad.delivery_id
), spans as materialized (
  select w.span_s, clock.now - w.span_s * interval '1 s' as since
    from clock cross join unnest($2::float8[]) as w (span_s)
)
select t.credential_id, k.span_s, count(*) as n, count(*) filter (where b.is_bad) as bad,
       count(distinct who.recipient_key) filter (where b.is_bad) as people,
       min(t.first_bad_at) filter (where b.is_bad) as since
  from tried t
  left join lateral (
    select d.recipient_key from delivery d
     where t.bad_at is not null and d.id = t.delivery_id offset 0) who on true
 cross join spans k
 cross join lateral (
   select t.bad_at > k.since and coalesce(t.good_at <= k.since, true) as is_bad) b
 where greatest(t.good_at, t.bad_at) > k.since
 group by t.credential_id, k.span_s
union all
select t.credential_id, k.span_s, count(*), 0, 0, null
  from tries t join spans k on t.finished_at > k.since
 where not coalesce(t.troubled, false) group by t.credential_id, k.span_s
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """Messages tried in a window, those that no try of it got through, and to how many people."""

    bad: int = 0
    n: int = 0
    people: int = 0

    @property
    def share(self) -> float:
        return self.bad / self.n if self.n else 0.0


def burning(rule: AlertRule, healthy: float, counts: Mapping[float, Tried]) -> BurnWindow | None:
    """The first pair of windows over which it burns too fast, and not by chance.

    `healthy` is the share that may fail, which is the budget.
    """
    for window in rule.windows:
        long, short = counts.get(window.long_s, Tried()), counts.get(window.short_s, Tried())
        fast = min(1.0, window.times * healthy)
        if min(long.share, short.share) < fast or long.people < (rule.threshold or 1):
            continue
        if is_unlikely(long.bad, long.n, healthy):
            return window
    return None


def spans(rule: AlertRule) -> list[float]:
    return sorted({span for w in rule.windows for span in (w.long_s, w.short_s)})


async def look_at_burn(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    metric = room.overview.metric(rule.metric)
    assert metric is not None, f"{rule.id} watches no metric; `runbook check` says so"
    healthy = healthy_failures(rule, metric)
    asked = spans(rule)
    found: dict[UUID, dict[float, Any]] = {each: {} for each in ids(subjects)}
    for row in await connection.fetch(_TRIED, ids(subjects), asked, asked[-1]):
        found[row["credential_id"]][row["span_s"]] = row
    counts = {
        each: {span: Tried(row["bad"], row["n"], row["people"]) for span, row in rows.items()}
        for each, rows in found.items()
    }
    burns = {each: burning(rule, healthy, counts[each]) for each in counts}
    ill = [each for each, window in burns.items() if window is not None]
    whose = await faults_of(connection, room, rule, ill, asked[-1])
    looks = {}
    for each, rows in found.items():
        window = burns[each]
        shown_s = window.long_s if window else asked[-1]
        if not rows:
            looks[each] = nothing("nothing was tried")
            continue
        row, seen = rows.get(shown_s), counts[each].get(shown_s, Tried())
        fault, case_id = whose.get(each, ("theirs", None))
        looks[each] = Look(
            value=seen.share,
            n=seen.n,
            fires=window is not None,
            seen=_seen(seen, shown_s, healthy),
            since=row["since"] if row else None,
            fault=rule.fault.value if rule.fault else fault,
            case_id=case_id,
            facts={"bad": seen.bad, "n": seen.n, "window_s": shown_s},
        )
    return looks


def _seen(tried: Tried, span_s: float, healthy: float) -> str:
    """`4 of 8 tried failed in 15 min, 25 times what may`."""
    span = f"{span_s / 3600:g} h" if span_s >= 3600 else f"{span_s / 60:g} min"
    text = f"{tried.bad} of {tried.n} tried failed in {span}"
    return f"{text}, {tried.share / healthy:.3g} times what may" if tried.bad else text
