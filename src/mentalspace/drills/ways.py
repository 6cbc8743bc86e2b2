"""Rehearses the pager's ways: our own rooms carry pages, unless they are what broke."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

from mentalspace.drills.stage import Stage, open_stage
from mentalspace.engine.channel import LABELS, add_contact
from mentalspace.engine.db import connect_owner
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.incidents import NewIncident, open_incident, resolve
from mentalspace.engine.pager import PERSON
from mentalspace.engine.services import Services
from mentalspace.kernel.case import Severity
from mentalspace.workflows.drill_acts import WELL

# The drill that breaks a room's credential: its rule opens the incident that closes that way.
BREAKS = "invalid_token"
T = TypeVar("T")

WITHIN_S = 30.0
LOOK_EVERY_S = 0.2

# Inactive: they stand in no list of colleagues, and a test of the alarm does not reach them.
_COLLEAGUE = "insert into oncall_person (name, active) values ($1, false) returning id"
_FORGET = """
update oncall_contact set active = false, address = null where person_id = $1 and active
"""
_PAGE = """
insert into page (incident_id, target, meant, step) values ($1, $2, $3, 0) returning id
"""
_WAYS = """
select s.kind, s.state from page_send s join oncall_contact c on c.id::text = s.channel
 where s.page_id = $1 order by c.rank
"""
_OF_SMS = """
select id from incident where drill = $1 and integration = 'sms' and status <> 'resolved'
 order by opened_at limit 1
"""
_TAKEN = "select id from delivery where drill = $1 and status in ('accepted', 'delivered') limit 1"


class Ways:
    """A made-up colleague who is reached by text, else by mail, else through Apprise; and texts
    that break in a corner of their own."""

    closing = "the made-up colleague is reached no more, and the drill's incidents are closed"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id
        self._drill = services.runbooks.room("sms").drill(BREAKS)
        self._person_id: UUID | None = None
        self._house: UUID | None = None
        self._stage: Stage | None = None

    async def come(self) -> None:
        async with connect_owner(self._services.admin_url) as owner:
            name = f"Somebody made up for a drill, {self._run_id}"
            person_id: UUID = await owner.fetchval(_COLLEAGUE, name)
        self._person_id = person_id
        port = self._services.settings.sandbox_port
        ways = (
            ("sms", WELL["sms"]),
            ("email", "made-up-colleague@staff.demo.example"),
            ("apprise", f"json://127.0.0.1:{port}/pager/drill"),
        )
        async with self._services.database.as_oncall() as connection:
            for kind, address in ways:
                await add_contact(connection, self._services.vault, person_id, kind, address)

    async def leave(self) -> None:
        try:
            if self._stage is not None:
                await self._stage.close()
        finally:
            await self._forget()

    async def _forget(self) -> None:
        """Whatever the sandbox says: nobody made up is left to be paged."""
        async with connect_owner(self._services.admin_url) as owner:
            await owner.execute(_FORGET, self._person_id)
            await owner.execute(
                "update incident set status = 'resolved', resolved_at = app.now(),"
                " resolved_by = 'drill', next_escalation_at = null"
                " where drill = $1 and status <> 'resolved'",
                self._run_id,
            )

    async def page_while_all_is_well(self) -> str:
        self._house = await self._open(HOUSE, "A drill: nothing is broken")
        return await self._page(self._house, "colleague")

    async def page_about_texts_that_broke(self) -> str:
        """The incident is the evaluator's own, of a text that Twilio really refused."""
        stage = self._stage = await open_stage(self._services, self._drill, self._run_id)
        for action in self._drill.arrange:
            await stage.arrange(action)
        for action in self._drill.act:
            await stage.act(action)
        incident = await self._incident_of_sms()
        return await self._page(incident, "colleague") if incident else "no incident of SMS"

    async def page_about_the_house_meanwhile(self) -> str:
        return await self._page(self._known_house(), "colleague, meanwhile")

    async def page_while_mails_are_broken_too(self) -> str:
        incident = await self._open("email", "A drill: mails are broken too")
        return await self._page(incident, "colleague")

    async def page_once_texts_go_again(self) -> str:
        """Its rule would hold the incident for a while yet: a person who sees a text go ends it."""
        assert self._stage is not None
        for word in self._drill.recover:
            await self._stage.recover(word)
        incident = await self._incident_of_sms()
        if incident is None or await self._text_taken() is None:
            return "texts did not go again"
        async with self._services.database.as_oncall() as connection:
            await resolve(connection, incident, "drill")
        return await self._page(self._known_house(), "colleague, afterwards")

    def _known_house(self) -> UUID:
        assert self._house is not None
        return self._house

    async def _open(self, integration: str, title: str) -> UUID:
        key = f"drill:{self._run_id}:{integration}"
        async with self._services.database.as_dispatcher() as connection:
            now = await connection.fetchval("select app.now()")
            facts = {"first_step": "nothing: this is a drill"}
            new = NewIncident(
                key, "house.drill", None, integration, None, None, Severity.HIGH,
                title, "ours", now, facts, self._run_id,
            )  # fmt: skip
            await open_incident(connection, self._services.runbooks.escalation, new)
            incident_id: UUID = await connection.fetchval(
                "select id from incident where key = $1", key
            )
        return incident_id

    async def _incident_of_sms(self) -> UUID | None:
        return await self._once(_OF_SMS)

    async def _text_taken(self) -> UUID | None:
        return await self._once(_TAKEN)

    async def _once(self, sql: str) -> UUID | None:
        """What the query finds of this drill, as soon as it finds anything."""

        async def look() -> UUID | None:
            async with self._services.database.as_dispatcher() as connection:
                found: UUID | None = await connection.fetchval(sql, self._run_id)
            return found

        return await _until(look)

    async def _page(self, incident_id: UUID, meant: str) -> str:
        """What each way did with one page, in the order in which they were tried."""
        target = f"{PERSON}{self._person_id}"
        async with self._services.database.as_dispatcher() as connection:
            page_id = await connection.fetchval(_PAGE, incident_id, target, meant)

        async def look() -> list[Any] | None:
            async with self._services.database.as_dispatcher() as connection:
                rows = await connection.fetch(_WAYS, page_id)
            return rows or None

        ways = await _until(look) or []
        told = [f"{LABELS[way['kind']]}: {way['state'].replace('_', ' ')}" for way in ways]
        return "; ".join(told) or f"no way was tried within {WITHIN_S:.0f} s"


async def _until(look: Callable[[], Awaitable[T | None]]) -> T | None:
    ends = time.monotonic() + WITHIN_S
    while True:
        found = await look()
        if found is not None or time.monotonic() > ends:
            return found
        await asyncio.sleep(LOOK_EVERY_S)


Act = Callable[[Ways], Awaitable[str]]

# What a rehearsal's steps may do.
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            Ways.page_while_all_is_well,
            Ways.page_about_texts_that_broke,
            Ways.page_about_the_house_meanwhile,
            Ways.page_while_mails_are_broken_too,
            Ways.page_once_texts_go_again,
        )
    }
)
