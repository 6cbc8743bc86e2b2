"""Breaking the glass: who may, for how long, what is written down, and no other way in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.kernel.errors import Refused
from mentalspace.kernel.phi import Phi
from mentalspace.practice.audit import verify
from mentalspace.practice.audit_search import Search, search_audit
from mentalspace.practice.break_glass import (
    LASTS,
    What,
    break_glass,
    read_opened,
    standing_openings,
)
from mentalspace.practice.person import Person
from mentalspace.practice.saying.facts import AccessKind
from mentalspace.workflows.log_in_codes import KIND as LOG_IN_CODE
from tests.practice.office import Office
from tests.practice.test_not_reached import booked, walk

pytestmark = pytest.mark.database

NAME = "Wendelgard Quastenflosser"
REASON = "Resend calls it malformed, and its case does not say why"
HOOK = b'{"type": "email.bounced", "data": {"to": ["wendelgard@clients.example"]}}'


@dataclass(frozen=True, slots=True)
class Scene:
    """A held mail and a held webhook of the office's practice, and who may want to read them."""

    office: Office
    admin: asyncpg.Connection[Any]
    message: UUID
    webhook: UUID
    oncall: Person
    administrator: Person
    clinician: Person
    elsewhere: Person

    async def opened(self, person: Person, what: What = "message") -> bytes | None:
        subject = self.message if what == "message" else self.webhook
        services = self.office.services
        found = await read_opened(services.database, services.vault, person, what, subject)
        return None if found is None else found.body.reveal()

    async def breaks(
        self, person: Person, what: What = "message", reason: str = REASON, subject: Any = None
    ) -> bool:
        about = subject or (self.message if what == "message" else self.webhook)
        return await break_glass(self.office.services.database, person, what, about, reason)

    async def audited(self) -> list[str]:
        rows = await self.admin.fetch(
            "select action from audit where action like 'payload.%' order by id"
        )
        return [row["action"] for row in rows]


@pytest.fixture
async def scene(office: Office, admin: asyncpg.Connection[Any]) -> Scene:
    appointment = await booked(office, NAME)
    await walk(admin, appointment, "appointment_created", "held")
    message = await admin.fetchval("select id from delivery where status = 'held'")
    webhook = await admin.fetchval(
        "insert into inbox (practice_id, credential_id, integration, provider, external_id,"
        " payload, query, state, held_reason) select practice_id, id, integration, provider, 'x',"
        " $2, 'who=Wendelgard', 'held', 'cannot be read: body' from credential"
        " where practice_id = $1 and integration = 'email' limit 1 returning id",
        office.practice_id,
        office.services.vault.seal(office.practice_id, "inbox", HOOK),
    )
    ours = await _person(admin, "admin@demo.example")
    elsewhere = replace(ours, user_id=uuid4(), practice_id=office.other_id)
    await admin.execute(
        "with u as (insert into app_user (id, email, name, password_hash)"
        " values ($1, 'admin@mesa.example', 'Mo Mesa', 'x') returning id)"
        " insert into membership (user_id, practice_id, role) select id, $2, 'administrator'"
        " from u",
        elsewhere.user_id,
        office.other_id,
    )
    return Scene(
        office,
        admin,
        message,
        webhook,
        await _person(admin, "oncall@demo.example"),
        ours,
        await _person(admin, "clinician@demo.example"),
        elsewhere,
    )


async def _person(admin: asyncpg.Connection[Any], email: str) -> Person:
    row = await admin.fetchrow(
        "select u.id, u.name, m.role, m.practice_id from app_user u"
        " join membership m on m.user_id = u.id where u.email = $1",
        email,
    )
    assert row is not None
    return Person(
        row["id"], row["name"], Phi(email), row["role"], row["practice_id"], None, None, csrf=""
    )


def written(logs: Path) -> str:
    return logs.read_text()


async def test_a_reason_opens_it_for_a_quarter_of_an_hour(scene: Scene, logs: Path) -> None:
    """Without a reason nobody reads it. With one who gave it does, and nobody else; it is written
    down before, the practice is told, each look stands in a chain that holds, and the time ends
    it. No log names the client or the reason."""
    for empty in ("", "   ", "because", "x" * 301, "a reason with\x00 a mark"):
        with pytest.raises(Refused, match="say why"):
            await scene.breaks(scene.oncall, reason=empty)
    assert await scene.opened(scene.oncall) is None
    assert await scene.audited() == []
    assert await asyncio.gather(*(scene.breaks(scene.oncall) for _ in range(2))) == [True, True]
    assert await scene.audited() == ["payload.opened"], "before anything was shown; pressed twice"
    assert b"k@demo.example" in (await scene.opened(scene.oncall) or b"")
    assert await scene.breaks(scene.oncall), "one that stands is given again"
    for other in (scene.administrator, scene.clinician, scene.elsewhere):
        assert await scene.opened(other) is None
    assert await scene.opened(scene.oncall, "webhook") is None, "another payload's is not this one"
    assert await scene.audited() == ["payload.opened", "payload.read"]

    tasks = await scene.office.fetch("select for_role, text, delivery_id from task")
    [told] = [task for task in tasks if task["for_role"] == "administrator"]
    assert told["delivery_id"] == scene.message
    assert "Noor Haddad (on call)" in told["text"]
    assert REASON not in told["text"], "tasks are read by all of the staff"
    async with scene.office.services.database.as_user(scene.administrator.claims()) as connection:
        [standing] = await standing_openings(connection)
    assert (standing.opener, standing.reason, standing.subject) == (
        "Noor Haddad", REASON, scene.message,
    )  # fmt: skip
    async with scene.office.services.database.as_user(scene.elsewhere.claims()) as connection:
        assert await standing_openings(connection) == []

    await scene.office.advance(LASTS - timedelta(minutes=1))
    assert await scene.opened(scene.oncall) is not None
    await scene.office.advance(timedelta(minutes=1))
    assert await scene.opened(scene.oncall) is None
    assert await scene.audited() == ["payload.opened", "payload.read", "payload.read"]
    assert all(chain.broken_at is None for chain in await verify(scene.office.services.database))
    said = written(logs)
    assert NAME not in said and REASON not in said


async def test_only_what_is_held_is_opened_by_those_who_may(scene: Scene) -> None:
    """Not for a clinician or another practice; not what is not held, is unknown, or holds the key
    to an account; and not to somebody whose account was closed meanwhile."""
    with pytest.raises(Refused, match="only an administrator"):
        await scene.breaks(scene.clinician)
    with pytest.raises(Refused, match="only an administrator"):
        await scene.breaks(replace(scene.clinician, role="administrator"))
    assert not await scene.breaks(scene.elsewhere)
    assert not await scene.breaks(scene.elsewhere, "webhook")
    assert not await scene.breaks(scene.oncall, subject=uuid4())
    for kind in (*get_args(AccessKind), LOG_IN_CODE):
        await scene.admin.execute(
            "update delivery set kind = $2 where id = $1", scene.message, kind
        )
        assert not await scene.breaks(scene.oncall), kind
    await scene.admin.execute(
        "update delivery set kind = 'reminder', status = 'pending' where id = $1", scene.message
    )
    assert not await scene.breaks(scene.oncall)
    assert await scene.audited() == []

    assert await scene.breaks(scene.administrator, "webhook")
    assert await scene.opened(scene.administrator, "webhook") == HOOK
    assert await scene.breaks(scene.oncall, "webhook")
    await scene.admin.execute(
        "update app_user set active = false where id = $1", scene.oncall.user_id
    )
    assert await scene.opened(scene.oncall, "webhook") is None
    assert await scene.opened(replace(scene.oncall, user_id=uuid4()), "webhook") is None


async def test_there_is_no_other_way(scene: Scene) -> None:
    """Neither role reads a payload, writes an opening or draws one out; nor does the owner change
    one; and a role that does not break the glass may not ask."""
    database = scene.office.services.database
    assert await scene.breaks(scene.oncall)
    deeds = (
        "select payload from delivery",
        "select payload from inbox",
        "insert into payload_opening (practice_id) select id from practice",
        "update payload_opening set until_at = until_at + interval '1 h'",
        "delete from payload_opening",
        "select app.glass_breaker()",
    )
    for deed in deeds:
        for acting in (
            database.as_user(scene.administrator.claims()),
            database.as_oncall(scene.oncall.claims()),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with acting as connection:
                    await connection.execute(deed)
    for private in ("select data from public.audit", "select * from public.audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.as_oncall(scene.oncall.claims()) as connection:
                await connection.execute(private)
    for longer in ("update payload_opening set reason = reason", "delete from payload_opening"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await scene.admin.execute(longer)
    for role in ("mentalspace_worker", "mentalspace_dispatcher", "mentalspace_door"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.acting(role, scene.oncall.claims()) as connection:
                await connection.fetch(
                    "select * from app.read_opened('message', $1)", scene.message
                )


async def test_the_audit_is_the_administrators(scene: Scene) -> None:
    """Other staff write to it and read nothing; on-call finds every practice's, without what is
    beside a deed but for their own colleagues' reasons: an administrator's may name a client."""
    database = scene.office.services.database
    await scene.breaks(scene.oncall)
    await scene.breaks(scene.administrator, reason=f"{NAME} rang: no mail came")
    for claims, seen in ((scene.administrator.claims(), 3), (scene.clinician.claims(), 0)):
        async with database.as_user(claims) as connection:
            await connection.execute(
                "insert into audit (practice_id, actor, action, data)"
                " values (app.practice(), 'me', 'client.read', '{\"reminders_by\": \"text\"}')"
            )
            found = await search_audit(connection, Search(), 10)
        assert len(found) == seen
    async with database.as_user(scene.elsewhere.claims()) as connection:
        assert await search_audit(connection, Search(), 10) == []
    async with database.as_oncall() as connection:
        found = await search_audit(connection, Search(), 10)
        assert [(e.action, e.data.get("reason"), "reminders_by" in e.data) for e in found] == [
            ("client.read", None, False),
            ("client.read", None, False),
            ("payload.opened", None, False),
            ("payload.opened", REASON, False),
        ]
        assert [opening.opener for opening in await standing_openings(connection)] == [
            scene.oncall.name
        ]
        about = Search(subject=scene.message, actor=str(scene.oncall.user_id))
        assert len(await search_audit(connection, about, 10)) == 1
        older = Search(before=found[1].id)
        assert await search_audit(connection, older, 10) == found[2:]
        for search in (
            Search(practice_id=scene.office.other_id),
            Search(action="payload.read"),
            Search(since=found[0].at + timedelta(seconds=1)),
            Search(until=found[-1].at),
        ):
            assert await search_audit(connection, search, 10) == [], search
