"""Rules that cannot be judged: one has an incident of its own, several have one of the house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE, HOUSE_RULES
from mentalspace.engine.in_the_way import lock_advice
from mentalspace.engine.incidents import NewIncident, note_recovery, open_incident
from mentalspace.engine.ledger import record
from mentalspace.engine.pulse import TableLock, table_locks
from mentalspace.engine.runbook import AlertRule, Escalation
from mentalspace.kernel.case import Severity

RULE = "house.blind"
# One deadlock or one slow minute is nobody's business; a rule that is blind for longer is.
BLIND_FOR_S = 60.0
_MOST_NAMED = 3
_LOCKED = asyncpg.LockNotAvailableError.__name__
_LOG = "read the worker's log for rule_not_evaluated"

_STANDING = """
select key, rule_id from incident
 where key = any ($1) and status <> 'resolved' and recovered_at is null and lead_id is null
"""
_IN_ERROR = """
select a.rule_id, min(a.since) as since, min(a.detail ->> 'seen') as seen
  from alert_state a join credential c on c.id = a.credential_id
 where a.state = 'error' and c.active and a.rule_id = any ($1)
 group by a.rule_id
"""
# What one incident knows better than when it was opened.
_RETELL = """
update incident set title = $2, facts = facts || $3
 where key = $1 and status <> 'resolved' and (title <> $2 or not facts @> $3)
"""
_GROUP = """
select id from incident where key = $1 and status <> 'resolved' and recovered_at is null
"""
_FOLD = """
update incident set lead_id = (select coalesce(lead_id, id) from incident
                                where key = $1 and status <> 'resolved'),
       next_escalation_at = null, resolve_due_at = null, resolve_within_s = null
 where key = any ($2) and status <> 'resolved' and lead_id is null
returning id
"""
# What was led by another trouble, which is over, and comes by itself.
_STANDS_ALONE = """
update incident set lead_id = null where key = $1 and status <> 'resolved' and lead_id is not null
"""
# It sees again once it is blind to no credential: a turn may be another credential's.
_SEES = """
select id from incident where key = $1 and status <> 'resolved' and recovered_at is null
   and not exists (select from alert_state a join credential c on c.id = a.credential_id
                    where a.rule_id = $2 and a.state = 'error' and c.active)
"""


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule of `room` that cannot be judged, by the name of what its question raised; `for_s` how
    long it has been so at the last look."""

    room: str
    rule: AlertRule
    error: str
    since: datetime
    for_s: float = 0.0


def said(error: str) -> str:
    """What the rule's own line shows meanwhile."""
    return f"could not be evaluated: {error}"


async def blind_rules(connection: Connection, rules: Sequence[AlertRule]) -> Collection[str]:
    """Those that have an incident of their own of not being judged, whoever leads it."""
    rows = await connection.fetch(
        "select rule_id from incident where key = any ($1) and status <> 'resolved'"
        " and recovered_at is null",
        [_key(rule) for rule in rules],
    )
    return {row["rule_id"] for row in rows}


async def sees_again(connection: Connection, rule: AlertRule) -> None:
    """It has been judged; its own incident is over, unless it is blind to another credential."""
    blind = await connection.fetchval(_SEES, _key(rule), rule.id)
    if blind is not None:
        await note_recovery(connection, blind, 0, None)


async def settle_blind(
    connection: Connection,
    escalation: Escalation,
    rules: Sequence[tuple[str, AlertRule]],
    found: Sequence[Blind],
) -> int:
    """What follows from those `found` blind by this tick, once one of them has been so for a
    minute; `rules` are all that are live, with their room. How many incidents were opened.

    Whatever else is blind at that time is told with it. A rule with an incident of its own keeps
    it, unless the cause is the same.
    """
    group = await connection.fetchval(_GROUP, RULE)
    long = {one.rule.id for one in found if one.for_s >= BLIND_FOR_S}
    if not long and group is None:
        return 0
    every = await _in_error(connection, rules)
    keys = [_key(rule) for _room, rule in rules]
    own = {row["rule_id"] for row in await connection.fetch(_STANDING, keys)}
    rest = [one for one in every if one.rule.id not in own]
    if group is not None:
        return await tell_blind(connection, escalation, rest)
    if not rest or long <= own:
        return 0
    if len(rest) == 1:
        return await _open_own(connection, escalation, rest[0])
    shared = _commonest(rest)
    told = [one for one in every if one.rule.id not in own or one.error == shared]
    opened = await tell_blind(connection, escalation, told)
    await _fold(connection, [one.rule for one in told if one.rule.id in own])
    return opened


async def tell_blind(
    connection: Connection,
    escalation: Escalation,
    blind: Sequence[Blind],
    drill: str | None = None,
) -> int:
    """One incident that names them all and what they have in common, kept up to date; over once
    there are none."""
    key = RULE if drill is None else f"{RULE}:{drill}"
    group = await connection.fetchval(_GROUP, key)
    if not blind:
        if group is not None:
            await note_recovery(connection, group, 0, drill)
        return 0
    by_lock = _commonest(blind) == _LOCKED
    locks = await table_locks(connection) if by_lock else []
    if group is not None and by_lock and not locks:
        # The table is free and each rule's turn comes: who held it is told on.
        return 0
    title, facts = _title(blind, locks), _facts(blind, locks)
    new = NewIncident(
        key=key,
        rule_id=RULE,
        case_id=None,
        integration=HOUSE,
        credential_id=None,
        practice_id=None,
        severity=min((one.rule.severity for one in blind), key=list(Severity).index),
        title=title,
        fault="ours",
        since=min(one.since for one in blind),
        facts=facts,
        drill=drill,
    )
    opened = await open_incident(connection, escalation, new)
    await connection.execute(_RETELL, key, title, facts)
    return int(opened)


async def _in_error(connection: Connection, rules: Sequence[tuple[str, AlertRule]]) -> list[Blind]:
    rows = await connection.fetch(_IN_ERROR, [rule.id for _room, rule in rules])
    stands = {row["rule_id"]: row for row in rows}
    return [
        Blind(room, rule, row["seen"].removeprefix(said("")), row["since"])
        for room, rule in rules
        if (row := stands.get(rule.id)) is not None
    ]


async def _open_own(connection: Connection, escalation: Escalation, one: Blind) -> int:
    new = NewIncident(
        key=_key(one.rule),
        rule_id=one.rule.id,
        case_id=None,
        integration=one.room,
        credential_id=None,
        practice_id=None,
        severity=one.rule.severity,
        title=f"Cannot be judged: {one.rule.title}",
        fault="ours",
        since=one.since,
        facts={
            "seen": f"The rule cannot be evaluated ({one.error}): nobody would be told",
            "first_step": _LOG,
            "last_good_at": None,
        },
        drill=None,
    )
    opened = await open_incident(connection, escalation, new)
    await connection.execute(_STANDS_ALONE, new.key)
    return int(opened)


async def _fold(connection: Connection, rules: Sequence[AlertRule]) -> None:
    for row in await connection.fetch(_FOLD, RULE, [_key(rule) for rule in rules]):
        await record(connection, "follows", incident_id=row["id"], actor="evaluator")


def _title(blind: Sequence[Blind], locks: Sequence[TableLock]) -> str:
    """`14 rules cannot be judged: table lane locked by pid 4711, application psql (active)`."""
    count = "1 rule" if len(blind) == 1 else f"{len(blind)} rules"
    return f"{count} cannot be judged: {locks[0].words if locks else _commonest(blind)}"


def _facts(blind: Sequence[Blind], locks: Sequence[TableLock]) -> dict[str, object]:
    named = "; ".join(one.rule.title for one in blind[:_MOST_NAMED])
    more = len(blind) - _MOST_NAMED
    advice = lock_advice(locks[0].held_by, locks[0].holder) if locks else None
    return {
        "lock": locks[0].key if locks else None,
        "seen": ", ".join(
            f"{error} in {count}" for error, count in Counter(b.error for b in blind).most_common()
        ),
        "rules": [f"{one.rule.title} ({one.room})" for one in blind],
        "count_text": f"Nobody would be told of: {named}" + (f"; {more} more" if more > 0 else ""),
        "first_step": advice.rstrip(".") if advice else HOUSE_RULES[RULE].first_step,
    }


def _commonest(blind: Sequence[Blind]) -> str:
    return Counter(one.error for one in blind).most_common(1)[0][0]


def _key(rule: AlertRule) -> str:
    return f"{rule.id}:blind"
