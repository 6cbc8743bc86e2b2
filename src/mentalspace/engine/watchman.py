"""Notices a loop that has fallen silent, from every process that still runs, a worker that starts
again and again, and heartbeats that cannot be read; and tells the outside each minute that all is
well, so that silence there is the alarm."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mentalspace.engine.alarm import read_alarm
from mentalspace.engine.channel_state import note_heartbeat
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.ends import End, noted
from mentalspace.engine.house_alert import held, hold
from mentalspace.engine.log import get_logger
from mentalspace.engine.one_lock import leave_lock
from mentalspace.engine.outbound import Client
from mentalspace.engine.pulse import (
    HANGS_AFTER_S,
    LOCKED,
    LOOPS,
    SILENT_AFTER_S,
    Stalled,
    TableLock,
    bound_waits,
    heartbeat_locks,
    silent_loops,
    stalled_loops,
    table_locks,
)
from mentalspace.engine.restarts import (
    Restarts,
    fold_silent,
    keep_ends,
    read_restarts,
    unfold_silent,
)
from mentalspace.engine.runbook import Escalation
from mentalspace.engine.slots import read_tight_slots
from mentalspace.kernel.errors import ProviderError, Refused

LOOK_EVERY_S = 10.0
PING_EVERY_S = 60.0
PING_WITHIN_S = 10.0
# Whoever pings has evaluated and paged within so long.
FRESH_S = 30.0
# What is told when nobody can know which loop is silent.
UNREAD = "heartbeats"
_RULE = "house.loop_silent"
# The loops by whose silence people go without, the worst first. The others keep house.
MATTER = ("dispatch", "evaluate", "page", "clock", "silence")
MOST_NAMED = 3

log = get_logger(__name__)


@dataclass(slots=True)
class Watchman:
    """`send_pages` is the pager's turn, for when the pager itself is what fell silent. In `home` a
    supervisor notes how its processes end, if there is one."""

    database: Database
    escalation: Escalation
    send_pages: Callable[[], Awaitable[object]]
    patience_s: float = SILENT_AFTER_S
    hangs_s: float = HANGS_AFTER_S
    home: Path | None = None
    _began_at: float = field(default_factory=time.monotonic)
    _seen: frozenset[str] = frozenset()
    _told: frozenset[str] = frozenset()
    _failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    _unread: bool = False
    _kept: frozenset[End] = frozenset()

    async def tick(self) -> list[str]:
        """Open an incident for each silent loop, and note those that beat again; which are silent.

        Right after a start everything looks silent, and so it does once a database comes back:
        one must have been silent for a while, and at two looks. The other loops live in the worker:
        while it is silent, they are no news of their own. Nor does a loop that hangs, or fails each
        time, begin to while another is silent; one that did before still does. One that fails is
        news once it has failed again since it was seen first: what was in its way may be gone.
        Heartbeats that cannot be read at two looks are an alarm by themselves.
        """
        if time.monotonic() - self._began_at < self.patience_s:
            return []
        try:
            async with _bounded(self.database) as connection:
                silent = await silent_loops(connection, self.patience_s)
                stalled = await stalled_loops(connection, self.hangs_s)
        except LOCKED as error:
            return await self._tell_unread(error)
        self._unread = False
        restarts = await self._look_at_restarts()
        told = await self._tell(silent, stalled, restarts)
        await self._tell_connections()
        return told

    async def _look_at_restarts(self) -> Mapping[str, Restarts]:
        """Whatever is in the way there holds up no word of silence, which is the graver."""
        try:
            await self._keep_ends()
            return await self._tell_restarts()
        except LOCKED as error:
            log.error("restarts_not_read", error=type(error).__name__)
            return {}

    async def _keep_ends(self) -> None:
        """Whoever looks may have no access to the host."""
        ends = frozenset(noted(self.home)) if self.home is not None else frozenset()
        if ends - self._kept:
            async with _bounded(self.database) as connection:
                await keep_ends(connection, ends - self._kept)
        self._kept = ends

    async def _tell_restarts(self) -> Mapping[str, Restarts]:
        """A worker that ends soon after each start is never silent for long, and gets little done;
        its pager may not live to say so."""
        async with _bounded(self.database) as connection:
            found = await read_restarts(connection)
            titles = {host: restarts_title(one) for host, one in found.items()}
            since = {host: one.since for host, one in found.items()}
            opened = await hold(connection, self.escalation, "house.restarts", titles, since=since)
        if opened:
            log.error("worker_restarts", count=max(one.ended for one in found.values()))
            await self.send_pages()
        return found

    async def _tell(
        self,
        silent: Mapping[str, datetime],
        stalled: Sequence[Stalled],
        restarts: Mapping[str, Restarts],
    ) -> list[str]:
        """What is silent because a worker ends again and again is told by that one's incident."""
        twice = [
            name
            for name in silent
            if name in self._seen
            and ("worker" not in silent or name == "worker" or name in self._told)
        ]
        async with _bounded(self.database) as connection:
            known = await held(connection, _RULE)
            stands = [
                one
                for one in stalled
                if one.process in known
                or (
                    one.host not in restarts
                    and not silent
                    and (not one.fails or self._goes_on(one))
                )
            ]
            if twice or not silent:
                news = [name for name in twice if not restarts or name in known]
                found = {name: LOOPS[name] for name in news}
                found |= {one.process: stands_still(stands, one) for one in stands}
                began = {**{name: silent[name] for name in news}, **began_of(stands)}
                behind = await _behind_a_lock(connection, found)
                found |= {name: f"{found[name]}; {lock.words}" for name, lock in behind.items()}
                await hold(connection, self.escalation, _RULE, found, since=began, locks=behind)
            await leave_lock(connection, self.escalation)
            if restarts:
                elsewhere = [one.process for one in stalled if one.host not in restarts]
                await fold_silent(connection, [f"{_RULE}:{key}" for key in [UNREAD, *elsewhere]])
            else:
                await unfold_silent(connection)
        self._seen, self._told = frozenset(silent), frozenset(twice)
        self._failures = {
            key: self._failures.get(key, one.failures)
            for one in stalled
            for key in [(one.process, one.name)]
        }
        if {"worker", "page"} & set(twice):
            log.error("loop_silent", kind=",".join(twice))
            await self.send_pages()
        return twice

    async def _tell_connections(self) -> None:
        """While this one is still open: whoever comes next may have none, and the pager neither."""
        async with _bounded(self.database) as connection:
            slots = await read_tight_slots(connection)
            found = {"any": slots.words} if slots else {}
            opened = await hold(connection, self.escalation, "house.connections", found)
        if opened:
            log.error("connections_run_out")
            await self.send_pages()

    def _goes_on(self, one: Stalled) -> bool:
        """Whether a loop that fails was seen before, and its turns have failed once more since, or
        one of them lasts. Right after a lock is let go, or the database was away, every loop has
        failed for long."""
        first = self._failures.get((one.process, one.name))
        return first is not None and (one.waits is not None or one.failures > first)

    async def _tell_unread(self, error: Exception) -> list[str]:
        """Whoever pages may be silent as well, and nobody would know: so pages leave from here."""
        log.error("heartbeats_not_read", error=type(error).__name__)
        if not self._unread:
            self._unread = True
            return []
        async with _bounded(self.database) as connection:
            locks = await heartbeat_locks(connection)
            why = "; ".join(lock.words for lock in locks) or "no answer in time"
            found = {UNREAD: f"The heartbeats cannot be read: {why}"}
            behind = {UNREAD: locks[0]} if locks else {}
            await hold(connection, self.escalation, _RULE, found, locks=behind, more=True)
        await self.send_pages()
        return [UNREAD]


def restarts_title(one: Restarts) -> str:
    title = f"The worker on {one.host} has ended {one.lately} times within five minutes"
    return f"{title}, {one.words}" if one.words else title


@asynccontextmanager
async def _bounded(database: Database) -> AsyncIterator[Connection]:
    """Whoever watches must not be held up by what holds up the others."""
    async with database.as_dispatcher() as connection:
        await bound_waits(connection)
        yield connection


async def _behind_a_lock(connection: Connection, found: Iterable[str]) -> Mapping[str, TableLock]:
    """Whose lock what was found stands behind, where a table is locked. A worker that does not beat
    is gone, lock or no lock."""
    names = [name for name in found if name != "worker"]
    locks = await table_locks(connection) if names else []
    return dict.fromkeys(names, locks[0]) if locks else {}


def stands_still(stalled: Sequence[Stalled], of: Stalled) -> str:
    """One incident a process, whichever of its loops hang or fail: named by those that matter, the
    worst first, and the others counted."""
    mine = sorted((one for one in stalled if one.process == of.process), key=_matters)
    hang = _named([one.name for one in mine if not one.fails])
    fail = _named([one.name for one in mine if one.fails])
    verbs = [*([f"hangs in {hang}"] if hang else []), *([f"fails in {fail}"] if fail else [])]
    said = " and ".join(reversed(verbs) if mine[0].fails else verbs)
    return f"A living {of.kind} {said} ({of.host}, pid {of.pid})"


def began_of(stalled: Sequence[Stalled]) -> Mapping[str, datetime]:
    """When the first of each process's loops last turned well."""
    began: dict[str, datetime] = {}
    for one in stalled:
        began[one.process] = min(began.get(one.process, one.began_at), one.began_at)
    return began


def _matters(one: Stalled) -> int:
    return MATTER.index(one.name) if one.name in MATTER else len(MATTER)


def _named(names: Sequence[str]) -> str:
    """`dispatch, evaluate, 2 more`: of what keeps house only where nothing else stands still."""
    shown = [name for name in names if name in MATTER] or list(names[:MOST_NAMED])
    more = len(names) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


@dataclass(frozen=True, slots=True)
class DeadMan:
    """`url` is an outside service's, which raises the alarm when it is not called for a while. It
    is a secret: whoever has it could keep the service calm."""

    database: Database
    client: Client
    url: str = field(repr=False)

    async def tick(self) -> bool:
        """Call it if this installation evaluated and could page somebody; else leave it be."""
        try:
            async with _bounded(self.database) as connection:
                silent = await silent_loops(connection, FRESH_S)
                alarm = await read_alarm(connection)
                known = await connection.fetchval(
                    "select count(*) from pulse where name in ('evaluate', 'page')"
                )
        except LOCKED as error:
            log.error("heartbeat_withheld", kind=UNREAD, error=type(error).__name__)
            return False
        if silent or known < 2 or alarm.stale_s is not None or "oncall" in alarm.nobody:
            log.error("heartbeat_withheld", kind=",".join(silent), reason=alarm.words)
            return False
        failed = await self._call()
        try:
            async with _bounded(self.database) as connection:
                await note_heartbeat(connection, failed)
        except LOCKED as error:
            log.error("heartbeat_not_noted", error=type(error).__name__)
        return failed is None

    async def _call(self) -> str | None:
        """None where it was taken; else why not, without the address."""
        try:
            answer = await self.client.request(
                "GET", self.url, headers={}, body=None, deadline_s=PING_WITHIN_S
            )
        except (ProviderError, Refused) as error:
            log.warning("heartbeat_not_taken", error=type(error).__name__)
            return "it could not be reached"
        if answer.http >= 300:
            log.warning("heartbeat_not_taken", http=answer.http)
        return None if answer.http < 300 else f"it answered {answer.http}"
