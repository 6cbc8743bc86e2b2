"""A client's documents end for good, when an administrator says so and nobody holds them."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from mentalspace.integrations.storage.lock import keys
from tests.storage.conftest import PDF, PNG, Surface

BUCKET = "client-documents"
WHY = "Their own request, after the time for keeping was over"


@pytest.fixture
async def client(surface: Surface) -> str:
    """Of Lakeside, and nobody else's in these tests."""
    name = f"Shred {uuid4()}"
    made = await surface.admin.fetchval(
        "insert into client (practice_id, external_id, name) values ($1, $2, $2) returning id",
        surface.lakeside,
        name,
    )
    return str(made)


async def shred(surface: Surface, client: str, who: str = "administrator", **more: Any) -> Any:
    body = {"client": client, "confirm": client, "reason": WHY, **more}
    got = await surface.call("POST", "/shred", body, who=who)
    return got.body if got.http == 200 else got.told


async def begin_upload(surface: Surface, client: str) -> None:
    told = {
        "bucketName": BUCKET,
        "objectName": f"{client}/half.pdf",
        "contentType": "application/pdf",
    }
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5000", "Upload-Metadata": metadata}
    got = await surface.call("POST", "/upload/resumable", headers=headers)
    assert got.http == 201, got.raw


async def test_a_clients_documents_end(surface: Surface, client: str, tmp_path: Path) -> None:
    """Files, removed versions, unfinished uploads, in every bucket: rows, keys, copies and bytes. A
    copy of the disk and of the rows opens nothing; what another client has is untouched, and the
    client may have documents again. It is one entry of the audit, with how many."""
    place, card = f"{BUCKET}/{client}/a.pdf", f"client-insurance-cards/{client}/b.png"
    await surface.put(place)
    await surface.put(place, PNG, x_upsert="true", content_type="image/png")
    await surface.put(card, PNG)
    given = {"bucketId": BUCKET, "sourceKey": f"{client}/a.pdf",
             "destinationKey": f"{surface.alma}/{uuid4()}.png"}  # fmt: skip
    assert (await surface.call("POST", "/object/copy", given)).http == 200
    await surface.call("DELETE", f"/object/{card}")
    await begin_upload(surface, client)
    of_client = (
        "select version from storage.file where starts_with(name, $1) union"
        " select version from storage.archived where starts_with(name, $1)"
    )
    versions = {row["version"] for row in await surface.admin.fetch(of_client, client)}
    assert len(versions) == 3
    row = await surface.admin.fetchrow(
        "select * from storage.file where name = $1", f"{client}/a.pdf"
    )
    assert row is not None
    shutil.copytree(surface.shelf.root, tmp_path / "backup")
    done = await shred(surface, client)
    assert (done["files"], done["versions"], done["uploads"]) == (1, 3, 1)
    assert await surface.admin.fetch(of_client, client) == []
    assert not versions & set(surface.files())
    for version in versions:
        kinds = await surface.admin.fetch(
            "select kind from delivery where subject_id = $1", UUID(version)
        )
        assert sorted(kind["kind"] for kind in kinds) == ["document", "removal"]
    [entry, *_] = await surface.entries("client_shredded")
    assert (entry["subject"], entry["data"]["versions"]) == (client, "3")
    why = "select reason from storage.shredding where id = $1"
    assert await surface.admin.fetchval(why, UUID(entry["data"]["shredding"])) == WHY
    # Whoever brings bytes and row back from a backup of before has nothing that opens them.
    shutil.copytree(tmp_path / "backup", surface.shelf.root, dirs_exist_ok=True)
    await surface.admin.execute(
        "insert into storage.file (practice_id, id, bucket_id, name, version, metadata, key_id,"
        " locked) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(row[name] for name in ("practice_id", "id", "bucket_id", "name", "version", "metadata",
                                 "key_id", "locked")),
    )  # fmt: skip
    async with surface.services.database.as_worker(surface.lakeside) as connection:
        with pytest.raises(keys.NoKey):
            await keys.key_of(connection, surface.services.vault, surface.lakeside, row["version"])
    assert (await shred(surface, client))["files"] == 1
    for version in versions:
        surface.shelf.delete(surface.lakeside, version)
    copied = await surface.call("GET", f"/object/{BUCKET}/{given['destinationKey']}")
    assert copied.raw == PNG
    await surface.put(place)
    assert (await surface.call("GET", f"/object/{place}")).raw == PDF


async def test_who_may_not_shreds_nothing(surface: Surface, client: str) -> None:
    """Not without a reason, not without the client's id twice, not another practice's, no other
    role, and not under a hold of the client or of one file of theirs; the audit has who tried."""
    place = f"{BUCKET}/{client}/a.pdf"
    await surface.put(place)
    assert (await shred(surface, client, confirm=str(uuid4())))[0] == "400"
    assert (await shred(surface, client, reason=" "))[0] == "400"
    assert (await shred(surface, str(surface.mia)))[0] == "404"
    for who in ("front_desk", "clinician", "client"):
        assert (await shred(surface, client, who))[0] in ("403", "404")
    assert (await surface.entries("document_refused"))[0]["data"]["policy"] == "storage.shred"
    await surface.call("DELETE", f"/object/{place}")
    for what in ({"client": client}, {"bucket": BUCKET, "name": f"{client}/a.pdf"}):
        held = await surface.call("POST", "/hold", {**what, "reason": "Subpoena"})
        assert await shred(surface, client) == ("409", "LegalHold")
        assert (await surface.entries("document_refused"))[0]["data"]["policy"] == "storage.hold"
        lifted = await surface.call("POST", f"/hold/{held.body['id']}/lift", {"reason": "Over"})
        assert lifted.http == 200
    sealed = "select sealed is not null from storage.key where whose = $1"
    assert await surface.admin.fetchval(sealed, UUID(client))
    assert (await shred(surface, client))["versions"] == 1
    assert not await surface.admin.fetchval(sealed, UUID(client))


async def test_an_upload_that_is_being_named_ends_too(surface: Surface, client: str) -> None:
    """It holds the client's key until it is there, and is destroyed with the others."""
    await surface.put(f"{BUCKET}/{client}/a.pdf")
    async with surface.admin.transaction():
        await surface.admin.execute(
            "insert into storage.file (practice_id, bucket_id, name, version, metadata)"
            " values ($1, $2, $3, $4, '{}')",
            surface.lakeside, BUCKET, f"{client}/b.pdf", str(uuid4()),
        )  # fmt: skip
        await surface.admin.execute(
            "select 1 from storage.key where whose = $1 for share", UUID(client)
        )
        shredding = asyncio.create_task(shred(surface, client))
        await surface.waited_for()
    assert (await shredding)["files"] == 2
