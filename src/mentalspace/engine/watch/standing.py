"""Where every rule stands with every credential: whose turn it is, and writing down what it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import OF_CASES, AlertKind, AlertRule
from mentalspace.engine.watch.look import Look, Subject
from mentalspace.engine.watch.state import Past, State
from mentalspace.engine.watch.weeks import WEEKS

# What speaks of tries looks at once where one of ours or the provider's failed, and more seldom
# where all is calm: without a failure there is nothing to see but its end. What must last for ten
# minutes to be told is looked at as seldom.
_CALM = frozenset({AlertKind.CONSECUTIVE, AlertKind.CASE, AlertKind.BREAKER, AlertKind.QUEUE_AGE})
_CALM_TIMES = 3.0
# A turn reads about so many hours of messages, so that the longest windows take several turns and
# none of them takes a second.
_HOURS_AT_ONCE = 1300.0
_MOST_AT_ONCE = 600
_COST_HOURS = 120.0

_STATES: Mapping[str | None, State | None] = {None: None, **{state.value: state for state in State}}

# Whom a rule may be asked about, each once: a tick has hundreds of them, and ten thousand pairs. In
# the order of a subject's fields, whose last ones are the pair's.
_WHOSE = """
select c.id, c.practice_id, c.provider, c.endpoint, c.drill, p.timezone, p.opening,
       s.last_good_at, app.now()
  from credential c join credential_state s on s.credential_id = c.id
  join practice p on p.id = c.practice_id
 where c.active
"""
# A drill's credential is looked at every time: its rule must fire within the drill. A failure's
# time is when it began to be written down: a look of the two seconds after may not have seen it.
_DUE = """
with clock as materialized (select app.now() as now), failing as materialized (
  select a.credential_id, max(a.finished_at) + interval '2 s' as at from attempt a
   where a.fault in ('ours', 'theirs')
     and a.finished_at > (select now from clock) - interval '1 min'
   group by 1
), looks as materialized (
  select l.rule_id, u.credential_id, u.at
    from alert_look l cross join unnest(l.whose, l.looked_at) as u (credential_id, at)
), turns as materialized (
  select r.rule_id, r.number, r.is_calm, r.every_s, c.id as credential_id, c.drill,
         r.most, l.at as looked_at, clock.now, coalesce(f.at > l.at, f.at is not null) as has_failed
    from clock cross join unnest($1::text[], $2::text[], $3::float8[], $4::int[], $5::bool[])
           with ordinality as r (rule_id, integration, every_s, most, is_calm, number)
    join credential c on c.integration = r.integration and c.active
    left join looks l on l.rule_id = r.rule_id and l.credential_id = c.id
    left join failing f on f.credential_id = c.id and r.is_calm
   where ($7::uuid[] is null or c.id = any ($7))
     and (c.drill is not null or l.at is null or f.at > l.at
          or l.at <= clock.now - r.every_s * interval '1 s')
), due as (
  select t.*, a.state, a.since, coalesce(a.alerted_at, i.opened_at) as alerted_at,
         i.id as incident_id, i.recovered_at,
         row_number() over (partition by t.number
                            order by t.drill is null, not t.has_failed,
                                     t.looked_at nulls first) as place
    from turns t
    left join alert_state a on a.rule_id = t.rule_id and a.credential_id = t.credential_id
    left join incident i on i.key = t.rule_id || ':' || t.credential_id and i.status <> 'resolved'
   where t.drill is not null or t.looked_at is null or t.has_failed or i.id is not null
      or not t.is_calm or coalesce(a.state not in ('normal', 'no_data'), true)
      or t.looked_at <= t.now - t.every_s * interval '1 s' * $6
)
select number, credential_id, state, since, alerted_at, incident_id, recovered_at
  from due where drill is not null or place <= most order by number, place
"""
# Whom a tick between two looks at everybody is about: those that have just failed, and drills.
_AT_ONCE = """
select a.credential_id as id from attempt a
 where a.fault in ('ours', 'theirs') and a.finished_at > app.now() - $1 * interval '1 s'
union
select id from credential where drill is not null and active
"""
# What became different is written down as well: the board tells how it came to be so. Most looks
# see what the last one saw: of those only the time is kept, in one row a rule. What holds is
# written each time, for its end is counted from when it last held.
_KEEP = """
with clock as materialized (select app.now() as now), seen as materialized (
  select k.*, $1::text || ':' || k.credential_id as key
    from jsonb_to_recordset($3) as k (credential_id uuid, state text, detail jsonb)
), news as materialized (
  select k.*, c.practice_id, a.state as before
    from seen k join credential c on c.id = k.credential_id
    left join lateral (
      select a.state, a.detail from alert_state a where a.key = k.key offset 0) a on true
   where a.state is distinct from k.state or a.detail <> k.detail or k.state = 'alerting'
), changed as (
  insert into alert_change (rule_id, credential_id, practice_id, integration, state)
  select $1, k.credential_id, k.practice_id, $2, k.state
    from news k where k.before is distinct from k.state
), looked as (
  insert into alert_look (rule_id, whose, looked_at)
  select $1, array_agg(credential_id order by credential_id), array_agg(at order by credential_id)
    from (select credential_id, max(at) as at
            from (select credential_id, now as at from seen cross join clock
                  union all
                  select u.credential_id, u.at from alert_look l
                   cross join unnest(l.whose, l.looked_at) as u (credential_id, at)
                   where l.rule_id = $1) every
           group by 1) latest
  on conflict (rule_id) do update set looked_at = excluded.looked_at,
    whose = case when alert_look.whose = excluded.whose then alert_look.whose
                 else excluded.whose end
)
insert into alert_state (key, rule_id, credential_id, practice_id, integration, state, since,
                         alerted_at, detail)
select k.key, $1, k.credential_id, k.practice_id, $2, k.state, app.now(),
       case when k.state = 'alerting' then app.now() end, k.detail
  from news k
on conflict (key) do update set state = excluded.state, detail = excluded.detail,
  alerted_at = coalesce(excluded.alerted_at, alert_state.alerted_at),
  since = case when alert_state.state = excluded.state then alert_state.since else app.now() end
"""
# Messages that went since the rule last held. Of rules on failures in a row ($3) one failure
# begins anew. Where no message met the trouble, a good answer to our own check is one that went.
_SUCCESSES = """
select w.credential_id, n.went + checked.well as went
  from unnest($1::uuid[], $2::timestamptz[], $4::uuid[])
       as w (credential_id, alerted_at, incident_id)
 cross join lateral (
   select count(*) as went from attempt a join attempt_delivery ad on ad.attempt_id = a.id
    where a.credential_id = w.credential_id and a.state = 'succeeded'
      and a.finished_at > w.alerted_at
      and a.finished_at > coalesce(
        case when $3 then (select max(finished_at) from attempt
                            where credential_id = w.credential_id
                              and fault in ('ours', 'theirs')) end,
        '-infinity')) n
 cross join lateral (
   select count(*) as well from credential_check k join incident i on i.id = w.incident_id
    where $3 and k.credential_id = w.credential_id and k.good and k.answered_at > w.alerted_at
      and not exists (select from attempt a
                       where a.credential_id = w.credential_id and a.fault in ('ours', 'theirs')
                         and a.finished_at > i.since)) checked
"""


def most_at_once(rule: AlertRule) -> int:
    match rule.kind:
        case AlertKind.RATE:
            hours = rule.window_s / 3600
        case AlertKind.COST:
            hours = _COST_HOURS
        case AlertKind.ABSENCE:
            hours = (WEEKS + 1) * rule.window_s / 3600
        case AlertKind.BURN:
            hours = max(window.long_s for window in rule.windows) / 3600
        case _:
            hours = 1.0
    return int(min(_MOST_AT_ONCE, max(5.0, _HOURS_AT_ONCE / hours)))


async def find_urgent(connection: Connection, within_s: float) -> list[UUID]:
    """Credentials that cannot wait: of which a try has failed so lately, and those of drills."""
    return [row["id"] for row in await connection.fetch(_AT_ONCE, within_s)]


async def find_due(
    connection: Connection,
    rules: Sequence[tuple[str, AlertRule]],
    every_s: Sequence[float],
    only: Sequence[UUID] | None = None,
) -> dict[str, list[Subject]]:
    """Whose turn it is by rule, whoever has waited longest first; `rules` come with their room, and
    `every_s` is how long after a look each is due again. Of `only` these credentials, if any are
    given."""
    pairs = await connection.fetch(
        _DUE,
        [rule.id for _room, rule in rules],
        [room for room, _rule in rules],
        list(every_s),
        [most_at_once(rule) for _room, rule in rules],
        [rule.kind in _CALM for _room, rule in rules],
        _CALM_TIMES,
        only,
    )
    whose = {row["id"]: tuple(row) for row in await connection.fetch(_WHOSE)} if pairs else {}
    due: dict[str, list[Subject]] = {}
    for number, credential_id, state, *stood in pairs:
        if (who := whose.get(credential_id)) is not None:
            rule = rules[number - 1][1]
            due.setdefault(rule.id, []).append(Subject(*(*who, _STATES[state], *stood)))
    return due


async def pasts_of(
    connection: Connection, rule: AlertRule, subjects: Sequence[Subject]
) -> dict[UUID, Past]:
    """Where each stood. Successes are counted for those alone whose incident may end by them."""
    waiting = [s for s in subjects if s.incident_open and s.alerted_at is not None]
    went: dict[UUID, int] = {}
    if waiting:
        rows = await connection.fetch(
            _SUCCESSES,
            [subject.credential_id for subject in waiting],
            [subject.alerted_at for subject in waiting],
            rule.kind in OF_CASES,
            [subject.incident_id for subject in waiting],
        )
        went = {row["credential_id"]: row["went"] for row in rows}
    return {
        s.credential_id: Past(s.state, s.in_state_s, s.incident_open, went.get(s.credential_id, 0))
        for s in subjects
    }


async def keep(
    connection: Connection,
    integration: str,
    rule: AlertRule,
    seen: Sequence[tuple[Subject, State, Look]],
) -> None:
    """Who was looked at when, and what is otherwise than it was. A drill's states are kept as well,
    until its credential is no longer active."""
    if not seen:
        return
    await connection.execute(
        _KEEP,
        rule.id,
        integration,
        [
            {
                "credential_id": str(subject.credential_id),
                "state": state,
                "detail": {"value": look.value, "n": look.n, "seen": look.seen, **_plain(look)},
            }
            for subject, state, look in seen
        ],
    )


def _plain(look: Look) -> dict[str, Any]:
    """Of a share its bad ones as well: whoever exports it judges by them."""
    return {"bad": look.facts["bad"]} if "bad" in look.facts else {}
