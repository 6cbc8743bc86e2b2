"""Incidents about the house itself: the alarm, its loops, its schedule. No room is behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from mentalspace.engine.db import Connection
from mentalspace.engine.in_the_way import lock_advice
from mentalspace.engine.incidents import NewIncident, note_recovery, open_incident
from mentalspace.engine.pulse import TableLock
from mentalspace.engine.runbook import Escalation
from mentalspace.kernel.case import Severity

HOUSE = "house"


@dataclass(frozen=True, slots=True)
class HouseRule:
    """`first_step` is what a page says to do first, `now` the same on top of the incident."""

    id: str
    title: str
    severity: Severity
    first_step: str
    now: str


HOUSE_RULES: Mapping[str, HouseRule] = MappingProxyType(
    {
        rule.id: rule
        for rule in (
            HouseRule(
                "house.nobody_paged",
                "Nobody can be paged",
                Severity.CRITICAL,
                "mend a way to page under On call, then test the alarm",
                "Under On call, mend one way to page, then test the alarm there.",
            ),
            HouseRule(
                "house.channel_fails",
                "A way to page does not work",
                Severity.HIGH,
                "mend it or remove it, then test the alarm",
                "Under On call, mend this way or remove it, then test the alarm there.",
            ),
            HouseRule(
                "house.loop_silent",
                "A part of the worker is silent",
                Severity.CRITICAL,
                "mentalspace restart worker, on its host; then its log",
                "On its host: `mentalspace restart worker`. Nothing is lost or sent twice.",
            ),
            HouseRule(
                "house.blind",
                "Rules cannot be judged",
                Severity.CRITICAL,
                "read the worker's log for rule_not_evaluated",
                "Mend what the title names: free the table, as the runbook below says, or read the"
                " worker’s log for rule_not_evaluated. Nobody is told meanwhile of what these rules"
                " watch; sending goes on unless it needs the same table.",
            ),
            HouseRule(
                "house.restarts",
                "The worker starts again and again",
                Severity.CRITICAL,
                "the end of the worker's log on its host, and what changed when it began",
                "On its host: read the end of the worker’s log, and undo what changed when this"
                " began. What it had in hand is taken back each time; nothing is lost or sent"
                " twice.",
            ),
            HouseRule(
                "house.connections",
                "The database has hardly a connection left",
                Severity.CRITICAL,
                "end the connections of whoever holds most of them; the title names the program",
                "End the connections of the program in the title, as the runbook below says."
                " What waits goes on by itself.",
            ),
            HouseRule(
                "house.scanner_away",
                "Documents wait for a scanner that is away",
                Severity.HIGH,
                "look whether ClamAV runs and MENTALSPACE_CLAMAV names it; what waits is read by"
                " nobody until then",
                "Start ClamAV, or name it in MENTALSPACE_CLAMAV. What waits is safe.",
            ),
            HouseRule(
                "house.oncall_gap",
                "Nobody is on call",
                Severity.HIGH,
                "fill the gap with an override under On call",
                "Under On call, fill the gap with an override.",
            ),
        )
    }
)

_HELD = """
select id, key, drill from incident
 where status <> 'resolved' and recovered_at is null and rule_id = $1 and key <> all ($2)
   and drill is not distinct from $3
"""


async def held(connection: Connection, rule_id: str) -> frozenset[str]:
    """The keys of what is found and not over."""
    rows = await connection.fetch(_HELD, rule_id, [], None)
    return frozenset(row["key"].removeprefix(f"{rule_id}:") for row in rows)


async def hold(
    connection: Connection,
    escalation: Escalation,
    rule_id: str,
    found: Mapping[str, str],
    *,
    since: Mapping[str, datetime] = MappingProxyType({}),
    locks: Mapping[str, TableLock] = MappingProxyType({}),
    drill: str | None = None,
    more: bool = False,
) -> int:
    """Open an incident for each thing found, by its key, titled in words; note that those found no
    more are over, unless there may be `more` than could be looked at. How many were opened. `since`
    is when what was found began, by its key; now, where that is not known; `locks` which lock is in
    the way of each, where one is: to free it comes first. May run anywhere, at any time."""
    rule, opened = HOUSE_RULES[rule_id], 0
    now = await connection.fetchval("select app.now()")
    for key, title in found.items():
        known = await connection.fetchval(
            "select true from incident where key = $1 and status <> 'resolved'"
            " and recovered_at is null",
            f"{rule_id}:{key}",
        )
        if known:
            continue
        new = NewIncident(
            key=f"{rule_id}:{key}",
            rule_id=rule_id,
            case_id=None,
            integration=HOUSE,
            credential_id=None,
            practice_id=None,
            severity=rule.severity,
            title=title,
            fault="ours",
            since=min(since.get(key, now), now),
            facts={
                "first_step": rule.first_step,
                "count_text": rule.title,
                **_behind(locks.get(key)),
            },
            drill=drill,
        )
        opened += await open_incident(connection, escalation, new)
    if more:
        return opened
    keys = [f"{rule_id}:{key}" for key in found]
    for row in await connection.fetch(_HELD, rule_id, keys, drill):
        await note_recovery(connection, row["id"], 0, row["drill"])
    return opened


def _behind(lock: TableLock | None) -> Mapping[str, str | None]:
    if lock is None:
        return {"lock": None}
    return {"lock": lock.key, "first_step": lock_advice(lock.held_by, lock.holder).rstrip(".")}
