"""What was replaced or deleted is kept for as long as its bucket says, and then goes for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.storage.conftest import PDF, Surface

BUCKET = "client-documents"
OLD, NEW = PDF + b"first", PDF + b"second"


async def archived(surface: Surface, place: str) -> list[dict[str, Any]]:
    """What is kept of the versions that were there, the oldest first."""
    bucket, _, name = place.partition("/")
    rows = await surface.admin.fetch(
        "select *, purge_at - archived_at as kept_for from storage.archived"
        " where bucket_id = $1 and name = $2 order by archived_at, why desc",
        bucket, name,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def shipped(surface: Surface, version: str) -> list[tuple[str, str]]:
    """Kind and state of what the ledger has of a version."""
    rows = await surface.admin.fetch(
        "select kind, status from delivery where subject_id = $1 order by created_at", UUID(version)
    )
    return [(row["kind"], row["status"]) for row in rows]


async def replaced_and_deleted(surface: Surface) -> str:
    """Where a file was that was replaced by a clinician and deleted by the front desk."""
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    assert (await surface.put(place, OLD, who="front_desk")).http == 200
    assert (await surface.put(place, NEW, who="clinician", x_upsert="true")).http == 200
    assert (await surface.call("DELETE", f"/object/{place}", who="front_desk")).http == 200
    return place


async def test_what_is_removed_is_kept_for_its_time(surface: Surface) -> None:
    """By whom, when and why stands beside it; for everybody it is gone. Its copy is let alone until
    its time is over: then row, key and bytes are destroyed, the copy is taken back, and a sweep has
    nothing to find."""
    place = await replaced_and_deleted(surface)
    gone = await surface.call("GET", f"/object/{place}")
    assert gone.told == ("404", "not_found")
    listed = await surface.call("POST", f"/object/list/{BUCKET}", {"prefix": str(surface.alma)})
    assert place.rpartition("/")[2] not in [row["name"] for row in listed.body]
    old, new = await archived(surface, place)
    assert (old["why"], new["why"]) == ("replaced", "deleted")
    assert old["removed_by"] == surface.who["clinician"].user_id
    assert new["removed_by"] == surface.who["front_desk"].user_id
    assert (old["owner"], old["file_id"]) == (surface.who["front_desk"].user_id, new["file_id"])
    assert {old["kept_for"], new["kept_for"]} == {timedelta(days=30)}
    versions = {old["version"], new["version"]}
    assert await surface.expire("nobody's") == 0
    assert versions <= set(surface.files())
    for version in versions:
        assert await shipped(surface, version) == [("document", "pending")]
    assert await surface.expire(place.partition("/")[2]) == 2
    assert await archived(surface, place) == []
    assert not versions & set(surface.files())
    for version in versions:
        assert [kind for kind, _ in await shipped(surface, version)] == ["document", "removal"]
    purged = (await surface.entries("document_purged"))[:2]
    assert {entry["data"]["version"] for entry in purged} == versions
    assert {entry["subject"] for entry in purged} == {str(old["file_id"])}


async def test_a_bucket_says_how_long(surface: Surface) -> None:
    """Nought lets everything go at once; a longer time is also for what was removed before, a
    shorter one is not. Whoever may not set it is told so."""
    name = f"kept-{uuid4()}"
    made = {"name": name, "allowed_mime_types": ["application/pdf"], "retention_days": "0"}
    assert (await surface.call("POST", "/bucket", made)).http == 200
    before = surface.files()
    for bucket in (name, "test-documents"):
        for upsert in ("false", "true"):
            assert (await surface.put(f"{bucket}/a.pdf", x_upsert=upsert)).http == 200
        assert (await surface.call("DELETE", f"/object/{bucket}/a.pdf")).http == 200
    assert surface.files() == before

    async def keep(days: object, who: str = "administrator") -> tuple[str, str] | int:
        got = await surface.call("PUT", f"/bucket/{name}", {"retention_days": days}, who=who)
        return got.told if got.http != 200 else got.http

    assert await keep(2) == 200
    await surface.put(f"{name}/a.pdf")
    await surface.call("DELETE", f"/object/{name}", {"prefixes": ["a.pdf"]})
    for days, kept_for in ((2190, 2190), (1, 2190)):
        assert await keep(days) == 200
        [row] = await archived(surface, f"{name}/a.pdf")
        assert row["kept_for"] == timedelta(days=kept_for)
    assert await keep(None) == 200
    bucket = (await surface.call("GET", f"/bucket/{name}")).body
    assert (bucket["retention_days"], bucket["versioning_status"]) == (30, "ENABLED")
    for nonsense in (-1, 40_000, "soon", True):
        assert await keep(nonsense) == ("400", "invalid_request")
    assert (await keep(5, "front_desk")) == ("403", "Unauthorized")
    assert (await surface.call("DELETE", f"/bucket/{name}")).http == 200
    assert len(await archived(surface, f"{name}/a.pdf")) == 1


async def test_who_may_see_a_file_may_see_its_versions(surface: Surface) -> None:
    """The policies of reading are the file's own, one for one, but that a client finds only what
    they sent; nobody puts a version there, takes one out, or changes one."""
    look = (
        "select polname, polpermissive, pg_get_expr(polqual, polrelid) from pg_policy"
        " where polrelid = $1::text::regclass and polcmd in ('*', 'r') and polroles @>"
        " array[(select oid from pg_roles where rolname = 'authenticated')] order by polname"
    )
    of_files, of_versions = [
        await surface.admin.fetch(look, f"storage.{table}") for table in ("file", "archived")
    ]
    assert len(of_files) > 5
    alone = [row for row in of_versions if row["polname"] != "clients_see_what_they_sent"]
    assert len(alone) == len(of_versions) - 1
    assert alone == of_files, "call storage.share_policies() in the migration"
    place = await replaced_and_deleted(surface)
    sent = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    await surface.put(sent, who="client")
    await surface.call("DELETE", f"/object/{sent}")
    ask = "select count(*) from storage.archived where bucket_id || '/' || name = $1"
    for who, sees in (
        ("administrator", (2, 1)), ("front_desk", (2, 1)), ("clinician", (2, 1)),
        ("client", (0, 1)), ("biller", (0, 0)), ("mesa", (0, 0)), ("mesa_client", (0, 0)),
    ):  # fmt: skip
        async with surface.services.database.as_user(surface.who[who].claims()) as connection:
            seen = (await connection.fetchval(ask, place), await connection.fetchval(ask, sent))
        assert seen == sees, who
    database, claims = surface.services.database, surface.who["administrator"].claims()
    for change in ("delete from storage.archived", "update storage.archived set why = 'deleted'"):
        for acting in (database.as_worker(surface.lakeside), database.as_user(claims)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with acting as connection:
                    await connection.execute(change)


async def test_a_version_that_is_named_again_is_not_purged(surface: Surface) -> None:
    """Nor does whoever names somebody's removed version in a file of their own read it, or take it
    out of the archive."""
    place = f"{BUCKET}/{surface.ben}/{uuid4()}.pdf"
    await surface.put(place)
    await surface.call("DELETE", f"/object/{place}")
    [kept] = await archived(surface, place)
    mine = f"{surface.alma}/{uuid4()}.pdf"
    claims = surface.who["clinician"].claims()
    async with surface.services.database.as_user(claims) as connection:
        await connection.execute(
            "insert into storage.file (practice_id, bucket_id, name, version, metadata)"
            " values (app.practice(), $1, $2, $3, $4)",
            BUCKET, mine, kept["version"],
            {"size": len(PDF), "mimetype": "application/pdf", "eTag": '"x"', "cacheControl": ""},
        )  # fmt: skip
    part = {"Range": "bytes=0-19"}
    got = await surface.call("GET", f"/object/{BUCKET}/{mine}", who="clinician", headers=part)
    assert PDF[:9] not in got.raw
    assert await surface.expire(place.partition("/")[2]) == 0
    await surface.call("DELETE", f"/object/{BUCKET}/{mine}", who="clinician")
    [still] = await archived(surface, place)
    assert (still["locked"], still["name"]) == (kept["locked"], kept["name"])
    assert await surface.expire(place.partition("/")[2]) == 1
