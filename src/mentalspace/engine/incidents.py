"""Incidents: opened by a rule, acknowledged and closed by a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.escalation import reopen, write_pages
from mentalspace.engine.grouping import RANK, cause_of, join_group
from mentalspace.engine.incident_task import open_tasks
from mentalspace.engine.ledger import record
from mentalspace.engine.log import get_logger
from mentalspace.engine.one_lock import follow_lock
from mentalspace.engine.runbook import OF_CASES, AlertKind, AlertRule, Escalation, Runbooks, Rung
from mentalspace.engine.turning import turn
from mentalspace.kernel.case import ErrorCase, Severity

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewIncident:
    """`key` is the cause: while one incident with it is not resolved, no second is opened. `cause`
    names what several rules may tell of first, at whichever practice; by itself, a rule's id.
    `steady` is whether `fault` is sure enough to turn what was told as theirs. `shared` is a cause
    that it has in common with others', whosever the fault is."""

    key: str
    rule_id: str
    case_id: str | None
    integration: str
    credential_id: UUID | None
    practice_id: UUID | None
    severity: Severity
    title: str
    fault: str
    since: datetime
    facts: Mapping[str, Any]
    drill: str | None
    case_version: int | None = None
    cause: str | None = None
    steady: bool = True
    shared: str | None = None


# What was thought to be theirs turns out to be ours: whatever group it was of, it is its own. What
# a new secret was blamed for is the provider's after all, once others are seen to fail as well.
# What was over and fails otherwise has another cause now.
_TURNED = "$17 and excluded.fault = 'ours' and incident.fault = 'theirs'"
_CLEARED = "excluded.facts ? 'others_fail' and incident.facts ? 'entered_at'"
_ANOTHER = """
  $17 and incident.recovered_at is not null and (
    coalesce(excluded.case_id <> incident.case_id, false)
    or excluded.fault <> incident.fault and 'unclear' not in (excluded.fault, incident.fault))
"""
_CHANGED = f"(({_TURNED}) or ({_CLEARED}) or ({_ANOTHER}))"
# What was said of the cause that it had before.
_OF_THE_CAUSE = """
  array['entered_at', 'met', 'refused_together', 'others_fail', 'turned_at', 'turned_case',
        'test_mode']
"""
_OPEN = f"""
insert into incident (key, rule_id, case_id, integration, credential_id, practice_id, severity,
  title, fault, since, facts, drill, ack_due_at, next_escalation_at, resolve_within_s,
  resolve_due_at, cause)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9,
  greatest($10::timestamptz, (select max(resolved_at) from incident b where b.key = $1)),
  $11, $12,
  app.now() + $13 * interval '1 s', app.now() + $14 * interval '1 s', $15::integer,
  app.now() + $15 * interval '1 s', $16)
on conflict (key) where status <> 'resolved'
do update set recovered_at = null,
  facts = case when {_CHANGED} then incident.facts - {_OF_THE_CAUSE} else incident.facts end
       - case when incident.recovered_at is null then '' else 'before' end
       || excluded.facts
       || case when {_ANOTHER} then jsonb_build_object('before', jsonb_build_object(
                 'case', incident.case_id, 'fault', incident.fault)) else '{{}}' end,
  title = case when {_CHANGED} then excluded.title else incident.title end,
  severity = case when {RANK.format("excluded.severity")} < {RANK.format("incident.severity")}
                  then excluded.severity else incident.severity end,
  fault = case when {_CHANGED} then excluded.fault else incident.fault end,
  case_id = case when {_CHANGED} then excluded.case_id else incident.case_id end,
  cause = case when {_CHANGED} then excluded.cause else incident.cause end
returning id, lead_id, fault, case_id, (xmax = 0) as is_new,
  (select recovered_at from incident i where i.key = $1 and i.status <> 'resolved')
    as had_recovered,
  (select fault from incident i where i.key = $1 and i.status <> 'resolved') as fault_before,
  (select case_id from incident i where i.key = $1 and i.status <> 'resolved') as case_before
"""
# What a person closed while it lasted and what still lasts ($3 is when it began) are one trouble,
# and so are a share that was resolved within its window ($2) and one that fires again: its incident
# is open once more, and so is the one that leads it. A house's alarm may not know since when.
_SAME = """
with last as (
  select id, lead_id, resolved_by, resolved_at, recovered_at from incident
   where key = $1 and status = 'resolved' and drill is null
   order by resolved_at desc limit 1
), closed as (
  select * from last
   where (resolved_at > app.now() - $2 * interval '1 s' and lead_id is null
      or recovered_at is null and $3::timestamptz <= resolved_at + interval '1 minute')
     and not exists (select from incident o where o.key = $1 and o.status <> 'resolved')
), reopened as (
  update incident i set status = 'open', recovered_at = coalesce(i.recovered_at, i.resolved_at),
         resolved_at = null, resolved_by = null, archived_at = null
    from closed
   where i.id = closed.id
      or i.id = closed.lead_id and i.status = 'resolved' and i.cause is not null
     and not exists (select from incident o where o.key = i.key and o.status <> 'resolved')
)
select resolved_by as closed_by, resolved_at as closed_at from closed where recovered_at is null
"""
# Another watcher, who does not tell credentials apart, saw it first: it is the same incident.
_ADOPT = """
update incident i set key = $1, credential_id = $2, practice_id = $3
 where i.id = (select id from incident where key = any ($4) and status <> 'resolved'
                order by opened_at limit 1)
   and not exists (select from incident o where o.key = $1 and o.status <> 'resolved')
"""


# Since when it is over is known once, when it is told as over.
_RECOVERED = """
with over as (
  select least(app.now(), coalesce((
    select min(good.finished_at) from attempt good
     where $3 and good.credential_id = i.credential_id and good.state = 'succeeded'
       and good.finished_at > (
         select max(bad.finished_at) from attempt bad
          where bad.credential_id = i.credential_id and bad.fault in ('ours', 'theirs')
            and bad.finished_at >= i.since)), $2::timestamptz)) as since
    from incident i where i.id = $1
)
update incident i
   set recovered_at = app.now(),
       facts = case when $2::timestamptz is null then i.facts - 'over_since'
                    else i.facts || jsonb_build_object('over_since', over.since) end
  from over where i.id = $1 returning i.facts ->> 'over_since'
"""
_IS_DRILL = "select is_drill from practice where id = $1"
# What an incident is marked with that is no run's, but of the practice that sends on a game day.
GAME_DAY = "game-day"


async def open_incident(
    connection: Connection, escalation: Escalation, new: NewIncident, *, actor: str = "evaluator"
) -> bool:
    """Whether a new one was opened. One that had recovered and fails again is open once more, and
    so is one that a person closed while it lasted. What befalls a practice that is there for game
    days alone wakes nobody: it is told as a drill's is."""
    if new.drill is None and await connection.fetchval(_IS_DRILL, new.practice_id):
        new = replace(new, drill=GAME_DAY)
    if new.credential_id is not None and new.drill is None:
        pooled = [pooled_key(new.rule_id, new.facts.get("provider")), pooled_key(new.rule_id, None)]
        await connection.execute(_ADOPT, new.key, new.credential_id, new.practice_id, pooled)
    window_s = float(new.facts["window_s"]) if "metric" in new.facts else 0.0
    closed = (
        await connection.fetchrow(_SAME, new.key, window_s, new.since)
        if new.drill is None
        else None
    )
    rung = escalation.rung(new.severity)
    row = await connection.fetchrow(
        _OPEN,
        new.key,
        new.rule_id,
        new.case_id,
        new.integration,
        new.credential_id,
        new.practice_id,
        new.severity.value,
        new.title,
        new.fault,
        new.since,
        dict(new.facts),
        new.drill,
        rung.ack_within_s,
        rung.first_step_s,
        rung.resolve_within_s,
        cause := _cause(new),
        new.steady,
    )
    assert row is not None
    if not row["is_new"]:
        await _goes_on(connection, row, rung, new, cause, closed)
        return False
    await record(
        connection,
        "incident_opened",
        practice_id=new.practice_id,
        incident_id=row["id"],
        data={
            "rule": new.rule_id,
            "case": new.case_id,
            "case_version": new.case_version,
            "severity": new.severity.value,
        },
        actor=actor,
        drill=new.drill,
    )
    if await join_group(connection, row["id"], cause) is not None:
        return True
    if await _follows(connection, row["id"], new):
        return True
    await write_pages(connection, row["id"], 0, rung.first_paged, new.drill)
    await open_tasks(connection, row["id"], rung, new.title, new.drill)
    log.error(
        "incident_opened",
        incident_id=row["id"],
        rule=new.rule_id,
        severity=new.severity.value,
        drill=new.drill,
    )
    return True


async def _follows(connection: Connection, incident_id: UUID, new: NewIncident) -> bool:
    """Whether the same lock is in the way of another that pages."""
    lock = new.facts.get("lock")
    return (
        lock is not None and new.drill is None and await follow_lock(connection, incident_id, lock)
    )


def pooled_key(rule_id: str, provider: str | None) -> str:
    """Of a rule that holds for a provider, whoever's credential it may be."""
    return f"{rule_id}:{provider or 'any'}"


def _cause(new: NewIncident) -> str | None:
    if new.credential_id is None or new.shared is not None:
        return new.shared
    return cause_of(new.cause or new.rule_id, new.facts.get("provider"), new.fault, new.drill)


async def _goes_on(
    connection: Connection,
    row: Any,
    rung: Rung,
    new: NewIncident,
    cause: str | None,
    closed: Any | None,
) -> None:
    """What one that stands already has become: ours, theirs after all, open once more, or nothing
    else. `row` is as `_OPEN` gives it, and `closed` as `_SAME` does."""
    told: dict[str, Any] = {}
    if closed is not None:
        told = {"by": closed["closed_by"], "closed_at": closed["closed_at"].isoformat()}
    came_back, has_changed = row["had_recovered"] is not None, row["fault"] != row["fault_before"]
    if has_changed or (came_back and row["case_id"] != row["case_before"]):
        told |= {"case": row["case_id"], "fault": row["fault"], "case_before": row["case_before"]}
        told |= {"fault_before": row["fault_before"]}
    lead_id = row["lead_id"]
    if has_changed and row["fault"] == "ours":
        entered = new.since if "entered_at" in new.facts else None
        await turn(connection, row["id"], rung, new.title, new.drill, told, entered)
        return
    if has_changed and lead_id is None:
        lead_id = await join_group(connection, row["id"], cause)
    if came_back:
        if await _follows(connection, row["id"], new):
            return
        # Of the house, one that is led follows from another trouble, and is not the same.
        lead_id = lead_id if new.credential_id is not None else None
        await _regress(connection, row["id"], lead_id, rung, new.drill, told)
    elif has_changed:
        told = {"fault": row["fault"], "because": "others_fail"}
        await record(
            connection, "fault_changed", incident_id=row["id"], data=told, actor="evaluator"
        )


async def _regress(
    connection: Connection,
    incident_id: UUID,
    lead_id: UUID | None,
    rung: Rung,
    drill: str | None,
    told: Mapping[str, Any],
) -> None:
    """It was over, or closed by somebody, and fails: `told` says by whom, and what else it is now.
    One of a group wakes somebody only if the group was over."""
    kind = "incident_regressed"
    if lead_id is None:
        await reopen(connection, incident_id, rung, drill, kind, data=told)
        return
    await record(connection, kind, incident_id=incident_id, data=told, actor="evaluator")
    over = await connection.fetchval(
        "update incident set recovered_at = null where id = $1 and recovered_at is not null"
        " and status <> 'resolved' returning true",
        lead_id,
    )
    if over is not None:
        await reopen(connection, lead_id, rung, drill, kind, data=told)


_TAKEN = """
update incident set status = 'acknowledged',
       acknowledged_at = coalesce($3::timestamptz, app.now()),
       acknowledged_by = $2, next_escalation_at = null,
       resolve_due_at = greatest(resolve_due_at, case when resolve_due_at <= app.now()
         then app.now() + resolve_within_s * interval '1 s' end)
 where id = any ($1) and status = 'open' returning id, drill
"""
_RESOLVED = """
update incident set status = 'resolved', resolved_at = coalesce($3::timestamptz, app.now()),
       resolved_by = $2, next_escalation_at = null
 where id = any ($1) and status <> 'resolved' returning id, drill
"""
# Of a group of a thousand each has its line, and they are written in one go.
_TELL_MEMBERS = """
insert into timeline (incident_id, kind, actor)
select id, $2, $3 from unnest($1::uuid[]) as member (id)
"""


async def acknowledge(
    connection: Connection, incident_id: UUID, actor: str, at: datetime | None = None
) -> bool:
    """Somebody has it, and the whole group it leads: escalation stops until it is over, or its
    second clock runs out. `at` is when they said so, if not now.

    False if it was acknowledged or resolved already.
    """
    return await _advance(connection, incident_id, actor, "acknowledged", _TAKEN, at)


async def resolve(connection: Connection, incident_id: UUID, actor: str) -> bool:
    """A person says it is over, and the whole group it leads. While its cause lasts it is open
    again at the next look; the same cause later opens a new incident."""
    return await _advance(connection, incident_id, actor, "resolved", _RESOLVED)


async def note_recovery(
    connection: Connection,
    incident_id: UUID,
    successes: int,
    drill: str | None,
    *,
    held_since: datetime | None = None,
    of_tries: bool = False,
) -> None:
    """The rule's own sign that the cause is gone: enough successes since it opened, and that it has
    not held any more, `held_since`. Where it is one `of_tries`, it is over since the first that
    went well after the last failure."""
    over_since = await connection.fetchval(_RECOVERED, incident_id, held_since, of_tries)
    await record(
        connection,
        "incident_recovered",
        incident_id=incident_id,
        data={"successes": successes} | ({"over_since": over_since} if over_since else {}),
        actor="evaluator",
        drill=drill,
    )


async def _advance(
    connection: Connection,
    incident_id: UUID,
    actor: str,
    kind: str,
    sql: str,
    at: datetime | None = None,
) -> bool:
    row = await connection.fetchrow(sql, [incident_id], actor, at)
    if row is None:
        return False
    data = {"said_at": at.isoformat()} if at is not None else None
    await record(
        connection, kind, incident_id=incident_id, data=data, actor=actor, drill=row["drill"]
    )
    led = await connection.fetch("select id from incident where lead_id = $1", incident_id)
    if not led:
        return True
    members = await connection.fetch(sql, [one["id"] for one in led], actor, at)
    await connection.execute(_TELL_MEMBERS, [one["id"] for one in members], kind, actor)
    return True


def severity_of(runbooks: Runbooks, rule: AlertRule, case_id: str | None) -> Severity:
    """The case's, where the rule is about one; of a streak, whichever of the two is graver. What a
    share, a budget or a silence costs is the rule's own to say."""
    case = case_of(runbooks, case_id)
    if case is None or rule.kind not in OF_CASES:
        return rule.severity
    if rule.kind is AlertKind.CONSECUTIVE:
        return min(rule.severity, case.severity, key=list(Severity).index)
    return case.severity


def version_of(runbooks: Runbooks, case_id: str | None) -> int | None:
    """The case's revision of today, to be kept with what opens today."""
    case = case_of(runbooks, case_id)
    return case.version if case else None


def case_of(runbooks: Runbooks, case_id: str | None) -> ErrorCase | None:
    """None of no case, and of one the runbook has dropped since."""
    try:
        return runbooks.case(case_id) if case_id else None
    except LookupError:
        return None
