"""While a legal hold is in force nothing of what it holds is destroyed, whoever wants it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from mentalspace.integrations.storage.desk import desk_of
from mentalspace.integrations.storage.purge import purge_due
from tests.storage.conftest import PNG, Surface

BUCKET = "client-documents"
WHY = {"reason": "Subpoena of 12 May"}


async def hold(surface: Surface, **what: object) -> str:
    given = {name: str(value) for name, value in what.items()}
    got = await surface.call("POST", "/hold", {**WHY, **given})
    assert got.http == 200, got.body
    hold_id: str = got.body["id"]
    return hold_id


async def lift(surface: Surface, hold_id: str, who: str = "administrator") -> Any:
    got = await surface.call("POST", f"/hold/{hold_id}/lift", {"reason": "It is over"}, who=who)
    return got.http if got.http == 200 else got.told


async def versions_of(surface: Surface, name: str) -> set[str]:
    rows = await surface.admin.fetch("select version from storage.archived where name = $1", name)
    return {row["version"] for row in rows}


async def test_what_is_held_outlives_its_time(surface: Surface) -> None:
    """A file, or all of a client: it is replaced and deleted as ever, and nothing of it is
    purged, not even from a bucket that keeps nothing, and by no statement at all. Lifted, it goes.
    That it is held is shown, why stands in the list of holds, and both ends are in the audit."""
    name = f"{surface.ben}/{uuid4()}.pdf"
    await surface.put(f"{BUCKET}/{name}")
    by_file = await hold(surface, bucket=BUCKET, name=name)
    loose = f"{uuid4()}.pdf"
    await surface.put(f"test-documents/{loose}")
    by_loose = await hold(surface, bucket="test-documents", name=loose)
    by_client = await hold(surface, client=surface.ben)
    await surface.put(f"{BUCKET}/{name}", PNG, x_upsert="true")
    await surface.call("DELETE", f"/object/{BUCKET}/{name}")
    await surface.call("DELETE", f"/object/test-documents/{loose}")
    [shown, *_] = (await surface.call("GET", f"/versions/{BUCKET}/{name}")).body
    assert shown["held"] is True
    listed = {one["id"]: one for one in (await surface.call("GET", "/holds")).body}
    assert listed[by_client]["reason"] == WHY["reason"]
    assert (listed[by_file]["kind"], listed[by_client]["held_id"]) == ("file", str(surface.ben))
    versions = await versions_of(surface, name) | await versions_of(surface, loose)
    assert len(versions) == 3
    for lifted, left in ((by_file, 3), (by_loose, 2), (by_client, 0)):
        assert await surface.expire(str(surface.ben)) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await surface.admin.execute(
                "delete from storage.archived where version = any ($1)", list(versions)
            )
        assert await lift(surface, lifted) == 200
        await purge_due(desk_of(surface.services))
        assert len(versions & set(surface.files())) == left
    assert await lift(surface, by_client) == ("404", "not_found")
    [made, *_] = await surface.entries("client_held")
    [ended, *_] = await surface.entries("client_hold_lifted")
    assert (made["subject"], ended["data"]["hold"]) == (str(surface.ben), by_client)


async def test_a_hold_goes_where_its_file_goes(surface: Surface) -> None:
    """Out of the client's folder, or back into another file's place: what was held stays held, and
    is free once the hold that it came from is lifted."""
    name, target = f"{surface.ben}/{uuid4()}.pdf", f"{surface.alma}/{uuid4()}.pdf"
    await surface.put(f"{BUCKET}/{name}")
    by_client = await hold(surface, client=surface.ben)
    moved = {"bucketId": BUCKET, "sourceKey": name, "destinationKey": target}
    assert (await surface.call("POST", "/object/move", moved)).http == 200
    await surface.call("DELETE", f"/object/{BUCKET}/{target}")
    [version] = await versions_of(surface, target)
    assert await surface.expire(target) == 0
    await surface.put(f"{BUCKET}/{target}", PNG, content_type="image/png")
    assert (await surface.call("POST", f"/version/{version}/restore")).http == 200
    await surface.call("DELETE", f"/object/{BUCKET}/{target}")
    assert version in await versions_of(surface, target)
    assert await surface.expire(target) == 0
    follower = next(one for one in (await surface.call("GET", "/holds")).body if one["follows"])
    assert await lift(surface, follower["id"]) == ("404", "not_found")
    assert await lift(surface, by_client) == 200
    assert await surface.expire(target) == 2
    assert version not in surface.files()


async def test_a_hold_and_a_purge_at_once(surface: Surface) -> None:
    """Whichever comes first, the other waits for: a purge that began before the hold was written
    and looks after it finds it, and nobody is told that something is held that was destroyed
    while they waited."""
    name = f"{surface.ben}/{uuid4()}.pdf"
    await surface.put(f"{BUCKET}/{name}")
    await surface.call("DELETE", f"/object/{BUCKET}/{name}")
    [version] = await versions_of(surface, name)
    await surface.admin.execute(
        "update storage.archived set purge_at = app.now() where version = $1", version
    )
    async with surface.admin.transaction():
        held = await surface.admin.fetchval(
            "insert into storage.hold (practice_id, kind, held_id, reason, held_by)"
            " select practice_id, 'file', file_id, 'at once', practice_id from storage.archived"
            " where version = $1 returning id",
            version,
        )
        purging = asyncio.create_task(purge_due(desk_of(surface.services)))
        await surface.waited_for()
    await purging
    assert version in await versions_of(surface, name)
    assert version in surface.files()
    assert await lift(surface, str(held)) == 200
    async with surface.admin.transaction():
        await surface.admin.execute("select storage.await_holds($1)", surface.lakeside)
        body = {**WHY, "bucket": BUCKET, "name": name}
        holding = asyncio.create_task(surface.call("POST", "/hold", body))
        await surface.waited_for()
        await surface.admin.execute("delete from storage.archived where version = $1", version)
    assert (await holding).told == ("404", "not_found")


async def test_only_an_administrator_holds_and_lifts(surface: Surface) -> None:
    """Others are refused, and the policy is in the audit; so is their own statement. No hold is
    given without a reason, or on what is not there, and another practice sees none of it."""
    by_client = await hold(surface, client=surface.ben)
    body = {**WHY, "client": str(surface.ben)}
    for who in ("front_desk", "clinician", "biller"):
        assert (await surface.call("POST", "/hold", body, who=who)).told[0] == "403", who
        assert (await surface.entries("document_refused"))[0]["data"]["policy"] == (
            "administrator_alone_holds"
        )
        assert (await lift(surface, by_client, who))[0] == "403", who
        assert (await surface.entries("document_refused"))[0]["data"]["policy"] == (
            "administrator_alone_lifts"
        )
    assert (await surface.call("POST", "/hold", body, who="client")).told[0] == "404"
    assert (await lift(surface, by_client, "client"))[0] == "404"
    assert (await surface.call("GET", "/holds", who="mesa")).body == []
    assert await lift(surface, by_client, "mesa") == ("404", "not_found")
    database, claims = surface.services.database, surface.who["front_desk"].claims()
    async with database.as_user(claims) as connection:
        lifting = (
            "update storage.hold set lifted_by = app.user_id(), lifted_at = now(),"
            " lifted_because = 'no' where lifted_at is null returning id"
        )
        assert await connection.fetch(lifting) == []
    for change in (
        "insert into storage.hold (practice_id, kind, held_id, reason, held_by)"
        " values (app.practice(), 'client', app.user_id(), 'because', app.user_id())",
        "delete from storage.hold",
        "select storage.take_out('x', app.user_id())",
        "select storage.purge(5)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.as_user(claims) as connection:
                await connection.fetch(change)
    for body, said in (
        ({"client": str(surface.ben)}, "400"),
        ({**WHY, "client": str(surface.mia)}, "404"),
        ({**WHY, "client": "Ben"}, "400"),
        ({**WHY, "bucket": BUCKET, "name": f"{surface.ben}/nothing.pdf"}, "404"),
    ):
        assert (await surface.call("POST", "/hold", body)).told[0] == said
    assert (await surface.call("POST", f"/hold/{uuid4()}/lift", WHY)).told[0] == "404"
    assert (await surface.call("POST", f"/hold/{by_client}/lift", {})).told[0] == "400"
    assert await lift(surface, by_client) == 200
