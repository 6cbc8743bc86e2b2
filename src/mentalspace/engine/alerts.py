"""Asks each live rule of the runbooks whether it holds, for every credential it may hold for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic
from uuid import UUID

import asyncpg

from mentalspace.engine.alert_silence import Silence, is_silenced, standing_silences
from mentalspace.engine.archive import bring_back
from mentalspace.engine.blindness import Blind, blind_rules, said, sees_again, settle_blind
from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.grouping import sum_up
from mentalspace.engine.incidents import (
    NewIncident,
    case_of,
    note_recovery,
    open_incident,
    severity_of,
    version_of,
)
from mentalspace.engine.log import get_logger
from mentalspace.engine.refused_keys import TITLE, TOLD, Refusal, shared_causes
from mentalspace.engine.runbook import (
    OF_CASES,
    AlertKind,
    AlertRule,
    AlertState,
    RoomRunbook,
    Runbooks,
)
from mentalspace.engine.watch.covered import find_covered
from mentalspace.engine.watch.entered import blame_entered
from mentalspace.engine.watch.kinds import WATCHES
from mentalspace.engine.watch.look import Look, Subject, Watch
from mentalspace.engine.watch.old_news import find_old
from mentalspace.engine.watch.pace import Pace
from mentalspace.engine.watch.standing import (
    find_due,
    find_urgent,
    keep,
    pasts_of,
)
from mentalspace.engine.watch.state import State, next_state
from mentalspace.kernel.case import Fault

# One evaluator at a time, wherever it runs: whoever holds this for the length of a tick. States,
# incidents and pages of a room are one transaction: who dies within it leaves nothing half done.
EVALUATION_LOCK = 7_235_661_043
# While the database answers of one room, what it said of another is judged; each takes a
# connection.
_ROOMS_AT_ONCE = 2
# A question that takes longer has gone wrong, and must not keep the other rules waiting.
_LONGEST_QUESTION_MS = 10_000
# What has just failed may have been written down so long after it happened.
_WRITTEN_WITHIN_S = 2.0
# Whoever locked a table is in the way of the first rule of a room for so long, of the others for
# less: a tick in which each waited would itself be a loop that hangs.
_LOCKED_AFTER_MS = 2_000
_LOCKED_STILL_AFTER_MS = 200

log = get_logger(__name__)

# Of this moment, not of when the transaction began.
_AT_LAST = "select app.now() + (clock_timestamp() - now())"


@dataclass(frozen=True, slots=True)
class Evaluator:
    database: Database
    runbooks: Runbooks
    pace: Pace = field(default_factory=Pace)
    watches: Mapping[AlertKind, Watch] = field(default_factory=lambda: WATCHES)

    async def tick(self) -> int:
        """Evaluate what is due of every live rule; how many incidents were opened.

        Skips if another does it.
        """
        async with self.database.as_dispatcher() as connection:
            if not await connection.fetchval(
                "select pg_try_advisory_xact_lock($1)", EVALUATION_LOCK
            ):
                return 0
            began: datetime = await connection.fetchval("select app.now()")
            only = await self._urgent(connection, began)
            if only == []:
                self.pace.tick_at = began
                return 0
            rules = [
                (room, rule)
                for room in self.runbooks.rooms
                for rule in room.overview.alerts
                if rule.state is AlertState.LIVE
            ]
            silences = await standing_silences(connection)
            due = await find_due(
                connection,
                [(room.room, rule) for room, rule in rules],
                [self.pace.every_s(rule) for _room, rule in rules],
                only,
            )
            were_blind = await blind_rules(connection, [rule for _room, rule in rules])
            opened, blind = await self._turns_of_rooms(
                rules, due, silences, were_blind, is_whole=only is None
            )
            opened += await settle_blind(
                connection,
                self.runbooks.escalation,
                [(room.room, rule) for room, rule in rules],
                blind,
            )
            await sum_up(connection)
            await bring_back(connection, self.runbooks.escalation)
            self.pace.tick_at = began
            if only is None:
                self.pace.note_whole(began, await connection.fetchval(_AT_LAST))
        return opened

    async def _urgent(self, connection: Connection, now: datetime) -> list[UUID] | None:
        """Credentials that cannot wait until everybody is looked through; None if it is time."""
        unseen_s = self.pace.unseen_s(now)
        if unseen_s is None:
            return None
        return await find_urgent(connection, unseen_s + _WRITTEN_WITHIN_S)

    async def _turns_of_rooms(
        self,
        rules: Sequence[tuple[RoomRunbook, AlertRule]],
        due: Mapping[str, Sequence[Subject]],
        silences: Sequence[Silence],
        were_blind: Collection[str],
        *,
        is_whole: bool,
    ) -> tuple[int, list[Blind]]:
        """Each room in a transaction of its own, so many at a time; what one raises is raised once
        the others are done. How many incidents were opened, and what cannot be judged."""
        by_room: dict[str, list[tuple[RoomRunbook, AlertRule]]] = {}
        for room, rule in rules:
            if due.get(rule.id):
                by_room.setdefault(room.room, []).append((room, rule))
        gate = asyncio.Semaphore(_ROOMS_AT_ONCE)

        async def look(those: Sequence[tuple[RoomRunbook, AlertRule]]) -> list[int | Blind]:
            async with gate, self.database.as_dispatcher() as connection:
                # Whoever sends needs the other cores more than a look needs to be quick.
                await connection.execute(
                    f"set local statement_timeout = {_LONGEST_QUESTION_MS};"
                    f" set local lock_timeout = {_LOCKED_AFTER_MS};"
                    " set local max_parallel_workers_per_gather = 0"
                )
                return [
                    await self._turn(
                        connection, room, rule, due[rule.id], silences,
                        was_blind=rule.id in were_blind, is_whole=is_whole,
                    )
                    for room, rule in those
                ]  # fmt: skip

        ends = await asyncio.gather(*map(look, by_room.values()), return_exceptions=True)
        turns: list[int | Blind] = []
        for end in ends:
            if isinstance(end, BaseException):
                raise end
            turns += end
        blind = [turn for turn in turns if isinstance(turn, Blind)]
        return sum(turn for turn in turns if isinstance(turn, int)), blind

    async def _turn(
        self,
        connection: Connection,
        room: RoomRunbook,
        rule: AlertRule,
        subjects: Sequence[Subject],
        silences: Sequence[Silence],
        *,
        was_blind: bool,
        is_whole: bool,
    ) -> int | Blind:
        """One rule's turn: how many incidents were opened. What it raises is its own trouble, and
        no other rule's."""
        try:
            async with connection.transaction():
                began = monotonic()
                looks = await self.watches[rule.kind](connection, room, rule, subjects)
                looks = await blame_entered(connection, rule, looks)
                if is_whole:
                    self.pace.note_turn(rule, monotonic() - began)
                opened = await self._settle(connection, room, rule, subjects, looks, silences)
                if was_blind:
                    await sees_again(connection, rule)
                return opened
        except Exception as error:
            # A question that took too long counts among the lost connections, and is none.
            lost = isinstance(error, CONNECTION_LOST)
            if lost and not isinstance(error, asyncpg.QueryCanceledError):
                raise
            log.error("rule_not_evaluated", rule=rule.id, error=type(error).__name__)
            if isinstance(error, asyncpg.LockNotAvailableError):
                await connection.execute(f"set local lock_timeout = {_LOCKED_STILL_AFTER_MS}")
            return await self._blind(connection, room, rule, subjects, type(error).__name__)

    async def _settle(
        self,
        connection: Connection,
        room: RoomRunbook,
        rule: AlertRule,
        subjects: Sequence[Subject],
        looks: Mapping[UUID, Look],
        silences: Sequence[Silence],
    ) -> int:
        """Each credential's next state, and what follows from it."""
        opened = 0
        pasts = await pasts_of(connection, rule, subjects)
        seen: list[tuple[Subject, State, Look]] = []
        for subject in subjects:
            look, past = looks.get(subject.credential_id, _UNSEEN), pasts[subject.credential_id]
            # A drill cannot wait, and nobody is misled by it.
            hasty = rule if subject.drill is None else replace(rule, pending_s=0.0)
            judged = look.value is not None
            state = next_state(
                hasty, judged=judged, fires=look.fires, past=past, lingers=look.lingers
            )
            seen.append((subject, state, look))
        alerting = [subject for subject, state, _look in seen if state is State.ALERTING]
        faults = [look.fault for _subject, state, look in seen if state is State.ALERTING]
        covered = await find_covered(connection, room, rule, alerting, faults)
        old = await find_old(connection, room, rule, alerting)
        await keep(connection, room.room, rule, [_aged(one, old) for one in seen])
        quiet = {*covered, *old, *_silenced(silences, room, rule, alerting)}
        loud = [
            _incident(self.runbooks, room, rule, subject, look)
            for subject, state, look in seen
            if state is State.ALERTING and subject.credential_id not in quiet
        ]
        for new in await _shared(connection, rule, loud):
            opened += await open_incident(connection, self.runbooks.escalation, new)
        for subject, state, _look in seen:
            if state is State.NORMAL and subject.incident_id and subject.incident_open:
                await note_recovery(
                    connection,
                    subject.incident_id,
                    rule.resolves_after,
                    subject.drill,
                    held_since=subject.since if subject.state is State.RECOVERING else subject.now,
                    of_tries=rule.kind in (*OF_CASES, AlertKind.BREAKER),
                )
        return opened

    async def _blind(
        self,
        connection: Connection,
        room: RoomRunbook,
        rule: AlertRule,
        subjects: Sequence[Subject],
        error: str,
    ) -> Blind:
        """It stands in error, which resolves nothing."""
        look = Look(None, False, said(error), fault="ours")
        await keep(connection, room.room, rule, [(s, State.ERROR, look) for s in subjects])
        before = [s for s in subjects if s.state is State.ERROR]
        longest = max(before, key=lambda s: s.in_state_s, default=None)
        if longest is None:
            return Blind(room.room, rule, error, subjects[0].now)
        return Blind(room.room, rule, error, longest.since or longest.now, longest.in_state_s)


def _silenced(
    silences: Sequence[Silence], room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> list[UUID]:
    return [s.credential_id for s in subjects if is_silenced(silences, room.room, rule.id, s)]


async def _shared(
    connection: Connection, rule: AlertRule, loud: Sequence[NewIncident]
) -> list[NewIncident]:
    """The same; what many practices' keys meet at once is theirs, and each says so."""
    refusals = [
        Refusal(new.credential_id, new.practice_id, new.facts["provider"], new.case_id, new.since)
        for new in loud
        if new.credential_id is not None and new.drill is None
    ]
    causes = await shared_causes(connection, rule, refusals)
    return [
        replace(
            new,
            title=TITLE,
            fault="theirs",
            shared=causes[new.credential_id],
            facts={k: v for k, v in new.facts.items() if k != "entered_at"} | TOLD,
        )
        if new.credential_id in causes and new.case_id in rule.keys
        else new
        for new in loud
    ]


def _aged(one: tuple[Subject, State, Look], old: Collection[UUID]) -> tuple[Subject, State, Look]:
    """Whoever looks is told why nobody is."""
    subject, state, look = one
    if subject.credential_id not in old:
        return one
    return subject, state, replace(look, seen=f"{look.seen}; nothing new since it was closed")


def _held_since(subject: Subject) -> datetime:
    """Of a rule that cannot tell when its trouble began: since when it is seen without a break."""
    held = subject.state in (State.PENDING, State.ALERTING)
    return subject.since if held and subject.since else subject.now


_UNSEEN = Look(None, False, "nothing to judge by")


def first_step_of(
    runbooks: Runbooks, room: RoomRunbook, rule: AlertRule, look: Look, provider: str
) -> str:
    """What a page says to do first. Of a rule that holds whosever the fault is, its own step is
    meant for theirs: a case that is ours comes before it."""
    case = case_of(runbooks, look.case_id)
    if look.first_step or rule.fault is not None or case is None or case.fault is not Fault.OURS:
        return look.first_step or room.step(rule, provider)
    return f"{case.title}; do as the runbook says of it ({case.id})"


def _incident(
    runbooks: Runbooks, room: RoomRunbook, rule: AlertRule, subject: Subject, look: Look
) -> NewIncident:
    last_good = subject.last_good_at
    return NewIncident(
        key=f"{rule.id}:{subject.credential_id}",
        rule_id=rule.id,
        case_id=look.case_id,
        integration=room.room,
        credential_id=subject.credential_id,
        practice_id=subject.practice_id,
        severity=severity_of(runbooks, rule, look.case_id),
        title=rule.title,
        fault=look.fault,
        since=look.since or _held_since(subject),
        facts={
            **look.facts,
            "seen": look.seen,
            "last_good_at": last_good.isoformat() if last_good else None,
            "provider": subject.provider,
            "endpoint": subject.endpoint,
            "first_step": first_step_of(runbooks, room, rule, look, subject.provider),
        },
        drill=subject.drill,
        case_version=version_of(runbooks, look.case_id),
        cause=f"{room.room}.{rule.cause}" if rule.cause else None,
        steady=look.steady,
        shared=look.shared,
    )
