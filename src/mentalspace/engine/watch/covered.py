"""Whose trouble another incident has told already: one outage, one incident."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertKind, AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Subject

# $1 the rules that say more, $2 credentials and $5 whose fault each one's trouble is, $3 for how
# long what is over still shows in a share, $4 whether what came over from a credential that is out
# is explained by that one's incident, $6 the rules that are waited for while they pend. What is
# told as theirs though its tries said ours explains those tries.
_COVERED = """
select subject.credential_id
  from unnest($2::uuid[], $5::text[]) as subject (credential_id, fault)
 where exists (
   select from incident i
    where i.rule_id = any ($1) and not (subject.fault = 'ours' and i.fault = 'theirs'
                                     and coalesce(i.facts ->> 'met', 'theirs') = 'theirs')
      and (i.status <> 'resolved' and i.recovered_at is null
        or least(i.recovered_at, i.resolved_at) > app.now() - $3 * interval '1 s')
      and (i.credential_id = subject.credential_id or $4 and exists (
        select from lane out
          join timeline t on t.kind = 'moved' and t.data ->> 'from_lane' = out.id::text
          join lane took on took.id = t.lane_id
         where out.credential_id = i.credential_id and t.at >= i.since
           and took.credential_id = subject.credential_id)))
    or exists (
   select from alert_state a
    where a.rule_id = any ($6) and a.credential_id = subject.credential_id
      and a.state in ('pending', 'alerting'))
"""


async def find_covered(
    connection: Connection,
    room: RoomRunbook,
    rule: AlertRule,
    alerting: Sequence[Subject],
    faults: Sequence[str],
) -> Collection[UUID]:
    """Credentials of which a rule of `covered_by` has an incident, or had one while what a share
    counts happened. What is ours (`faults`, one for each) is not told by an incident of theirs. A
    drill's are never covered: its rule is to fire, whichever fired before it. Where callbacks are
    late or missing, what counts late messages waits for that to be told."""
    real = [
        (subject.credential_id, fault)
        for subject, fault in zip(alerting, faults, strict=True)
        if subject.drill is None
    ]
    if not rule.covered_by or not real:
        return ()
    shows_s = rule.window_s if rule.kind is AlertKind.RATE else 0.0
    whose, of = zip(*real, strict=True)
    waited_for = [
        other.id
        for other in room.overview.alerts
        if other.id in rule.covered_by and other.kind is AlertKind.CALLBACKS
    ]
    rows = await connection.fetch(
        _COVERED, list(rule.covered_by), whose, shows_s, rule.covered_across, of, waited_for
    )
    return {row["credential_id"] for row in rows}
