"""The register tells of an agreement's end before it comes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from mentalspace.engine.agreement import NewAgreement, add_agreement, revoke_agreement
from mentalspace.engine.db import Database
from mentalspace.integrations import discover_rooms
from mentalspace.practice.agreement import tell_of_ends
from mentalspace.practice.tenancy import ensure_practice

Admin: TypeAlias = "asyncpg.Connection[Any]"


async def sign(admin: Admin, practice_id: UUID, days: int | None, since: int = 300) -> UUID:
    """An agreement with Resend, signed `since` days ago, that ends in `days`."""
    today: date = await admin.fetchval("select app.today($1)", practice_id)
    new = NewAgreement(
        practice_id=practice_id,
        vendor="resend",
        signed_on=today - timedelta(days=since),
        expires_on=None if days is None else today + timedelta(days=days),
        reference="",
    )
    return await add_agreement(admin, new, "Ada")


async def test_an_end_is_told_of_twice(database: Database, admin: Admin) -> None:
    """A month ahead and a week ahead the administrator finds a task, and no more often."""
    practice_id = await ensure_practice(admin, "hill", name="Hill", timezone="America/Denver")
    await admin.execute("update app.clock set movable = true")
    await sign(admin, practice_id, 45)
    rooms = discover_rooms()
    told = []
    for _day in range(45):
        told.append(await tell_of_ends(database, rooms) + await tell_of_ends(database, rooms))
        await admin.execute("select app.advance_clock(interval '1 day')")
    assert [day for day, count in enumerate(told) if count] == [15, 38]
    tasks = await admin.fetch("select for_role, text from task")
    assert {row["for_role"] for row in tasks} == {"administrator"}
    assert len(tasks) == sum(told) == 2
    assert "The agreement with Resend ends on" in tasks[0]["text"]


async def test_a_renewed_one_is_not_told_of(database: Database, admin: Admin) -> None:
    """Nothing is asked for what another agreement follows, or what was revoked; one that was
    revoked follows nothing."""
    practice_id = await ensure_practice(admin, "hill", name="Hill", timezone="UTC")
    ending = await sign(admin, practice_id, 10)
    renewal = await sign(admin, practice_id, None, since=0)
    rooms = discover_rooms()
    assert await tell_of_ends(database, rooms) == 0
    await revoke_agreement(admin, renewal, "Ada")
    assert await tell_of_ends(database, rooms) == 1
    await revoke_agreement(admin, ending, "Ada")
    assert await tell_of_ends(database, rooms) == 0
