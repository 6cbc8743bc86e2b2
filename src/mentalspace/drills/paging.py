"""Rehearses escalation: a drill's incidents, whose clocks are moved and whose pages leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from mentalspace.engine.db import connect_owner
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.incidents import NewIncident, acknowledge, open_incident
from mentalspace.engine.services import Services
from mentalspace.kernel.case import Severity

SENT_WITHIN_S = 20.0
LOOK_EVERY_S = 0.2
QUIET_S = 2.5  # the pager has looked twice by then

# As if it had been opened so much earlier: every instant that something hangs on.
_AGE = """
update incident set opened_at = opened_at - $2::interval, ack_due_at = ack_due_at - $2::interval,
  next_escalation_at = next_escalation_at - $2::interval,
  resolve_due_at = resolve_due_at - $2::interval
 where id = $1
"""
_PAGES = """
select meant, state, step from page where incident_id = $1 and step = $2 order by meant
"""


class Paging:
    """Opens one incident for each severity. A drill's pages reach the drill's channel alone, and
    say whom they would have reached."""

    closing = "the drill's incidents are closed"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id

    async def come(self) -> None:
        """Nothing is needed beforehand: the worker that runs does the paging."""

    async def leave(self) -> None:
        async with connect_owner(self._services.admin_url) as owner:
            await owner.execute(
                "update incident set status = 'resolved', resolved_at = app.now(),"
                " resolved_by = 'drill', next_escalation_at = null"
                " where drill = $1 and status <> 'resolved'",
                self._run_id,
            )

    async def page_for_a_critical_incident(self) -> str:
        return await self._walk(Severity.CRITICAL)

    async def page_for_a_high_incident(self) -> str:
        return await self._walk(Severity.HIGH)

    async def page_for_a_medium_incident(self) -> str:
        return await self._walk(Severity.MEDIUM)

    async def page_for_a_low_incident(self) -> str:
        return await self._walk(Severity.LOW)

    async def _walk(self, severity: Severity) -> str:
        """Open, nobody acknowledges twice, somebody does, nobody ends it: who was paged when."""
        incident_id = await self._open(severity)
        told, age = [f"0 min: {await self._paged(incident_id, 0)}"], timedelta()
        for step in (1, 2):
            age += await self._let_pass(incident_id, "next_escalation_at")
            told.append(f"{_minutes(age)}: {await self._paged(incident_id, step)}")
        async with self._services.database.as_oncall() as connection:
            await acknowledge(connection, incident_id, "drill")
        await asyncio.sleep(QUIET_S)
        told.append("taken, quiet" if await self._count(incident_id, 3) == 0 else "taken, paged")
        age += await self._let_pass(incident_id, "resolve_due_at")
        paged = await self._paged(incident_id, 3)
        status = await self._read(incident_id, "status")
        word = "open again" if status == "open" else status
        told.append(f"{_minutes(age)}: {word}, {paged}")
        return "; ".join([*told, await self._asked(incident_id)])

    async def _open(self, severity: Severity) -> UUID:
        key = f"drill:{self._run_id}:{severity}"
        async with self._services.database.as_dispatcher() as connection:
            now = await connection.fetchval("select app.now()")
            facts = {"first_step": "nothing: this is a drill"}
            new = NewIncident(
                key, "house.drill", None, HOUSE, None, None, severity,
                f"A {severity} incident", "ours", now, facts, self._run_id,
            )  # fmt: skip
            await open_incident(connection, self._services.runbooks.escalation, new)
            incident_id: UUID = await connection.fetchval(
                "select id from incident where key = $1", key
            )
        return incident_id

    async def _let_pass(self, incident_id: UUID, until: str) -> timedelta:
        """Age the incident to that instant of its own; by how much. The house's clock stays."""
        async with connect_owner(self._services.admin_url) as owner:
            left: timedelta = await owner.fetchval(
                f"select {until} - app.now() from incident where id = $1", incident_id
            )
            await owner.execute(_AGE, incident_id, left)
        return left

    async def _paged(self, incident_id: UUID, step: int) -> str:
        """Whom the pages of that step were for, once all of them have left."""
        ends, rows = time.monotonic() + SENT_WITHIN_S, []
        while time.monotonic() < ends:
            async with self._services.database.as_dispatcher() as connection:
                rows = await connection.fetch(_PAGES, incident_id, step)
            if rows and all(row["state"] == "sent" for row in rows):
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return ", ".join(
            row["meant"] if row["state"] == "sent" else f"{row['meant']} ({row['state']})"
            for row in rows
        )

    async def _count(self, incident_id: UUID, step: int) -> int:
        async with self._services.database.as_dispatcher() as connection:
            return len(await connection.fetch(_PAGES, incident_id, step))

    async def _asked(self, incident_id: UUID) -> str:
        """What people are asked to do: so many steps, or a ticket."""
        async with self._services.database.as_oncall() as connection:
            rows = await connection.fetch(
                "select kind, count(*) as count from incident_task where incident_id = $1"
                " group by kind",
                incident_id,
            )
        return ", ".join(
            f"{row['count']} {row['kind']}{'s' if row['count'] > 1 else ''}" for row in rows
        )

    async def _read(self, incident_id: UUID, column: str) -> Any:
        async with self._services.database.as_dispatcher() as connection:
            return await connection.fetchval(
                f"select {column} from incident where id = $1", incident_id
            )


Act = Callable[[Paging], Awaitable[str]]

# What a rehearsal's steps may do.
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            Paging.page_for_a_critical_incident,
            Paging.page_for_a_high_incident,
            Paging.page_for_a_medium_incident,
            Paging.page_for_a_low_incident,
        )
    }
)


def _minutes(age: timedelta) -> str:
    return f"{round(age.total_seconds() / 60)} min"
