"""Files lie locked under their client's key, turn with the master key, and end with theirs."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID, uuid4

import pytest

from mentalspace.engine.db import connect_owner
from mentalspace.engine.reseal import reseal
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.integrations.storage.document import ON_SHELF, Document
from mentalspace.integrations.storage.landed import Landed, ShelfLandings
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.store.objects import Limits
from tests.conftest import MASTER_KEY
from tests.storage.conftest import PDF, PNG, Surface

BUCKET = "client-documents"


async def read(surface: Surface, place: str) -> bytes:
    return (await surface.call("GET", f"/object/{place}")).raw


async def version_of(surface: Surface, place: str) -> str:
    version: str = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    return version


async def test_a_file_ends_with_its_clients_key(surface: Surface) -> None:
    """On the disk nothing can be read. Once a client's key is destroyed, their files cannot be
    either; what was copied or moved to another client is under that one's key and stays, and what
    is uploaded afterwards is under a new one."""
    mine = f"{BUCKET}/{surface.ben}/mine.pdf"
    for name in ("mine", "copied", "moved"):
        await surface.put(f"{BUCKET}/{surface.ben}/{name}.pdf")
    for verb, name in (("copy", "copied"), ("move", "moved")):
        body = {"bucketId": BUCKET, "sourceKey": f"{surface.ben}/{name}.pdf",
                "destinationKey": f"{surface.alma}/{name}.pdf"}  # fmt: skip
        assert (await surface.call("POST", f"/object/{verb}", body)).http == 200
    lying = surface.shelf.place(surface.lakeside, await version_of(surface, mine)).read_bytes()
    assert PDF[:40] not in lying
    assert PDF[-40:] not in lying
    assert await read(surface, mine) == PDF
    await surface.admin.execute(
        "update storage.key set sealed = null, destroyed_at = now() where whose = $1", surface.ben
    )
    gone = await surface.call("GET", f"/object/{mine}")
    assert (gone.http, gone.told) == (500, ("500", "internal"))
    assert await read(surface, f"{BUCKET}/{surface.alma}/copied.pdf") == PDF
    assert await read(surface, f"{BUCKET}/{surface.alma}/moved.pdf") == PDF
    await surface.put(mine, PNG, x_upsert="true", content_type="image/png")
    assert await read(surface, mine) == PNG


async def test_a_copys_bucket_is_made_as_ours_is(surface: Surface) -> None:
    """What is made at the provider has our limits, and nobody else's bucket is."""
    made = {"name": "own-forms", "file_size_limit": "2MB", "allowed_mime_types": ["image/*"]}
    assert (await surface.call("POST", "/bucket", made)).http == 200
    services = surface.services
    landings = [
        ShelfLandings(services.database, services.vault, surface.shelf, practice_id)
        for practice_id in (surface.lakeside, surface.mesa)
    ]
    assert await landings[0].limits("own-forms") == Limits(2_000_000, ["image/*"])
    assert await landings[1].limits("own-forms") is None


async def test_a_copy_of_what_was_never_locked_takes_a_locked_ones_place(surface: Surface) -> None:
    """It is read as it lies: the key of what it replaced is no key of it."""
    old, new = (f"{surface.alma}/{name}.pdf" for name in ("unlocked", "locked"))
    await surface.put(f"{BUCKET}/{old}")
    await surface.put(f"{BUCKET}/{new}", PNG)
    version = await version_of(surface, f"{BUCKET}/{old}")
    surface.shelf.place(surface.lakeside, version).write_bytes(PDF)
    await surface.admin.execute(
        "update storage.file set key_id = null, locked = null where version = $1", version
    )
    body = {"bucketId": BUCKET, "sourceKey": old, "destinationKey": new}
    copied = await surface.call("POST", "/object/copy", body, headers={"x-upsert": "true"})
    assert copied.http == 200
    assert await read(surface, f"{BUCKET}/{new}") == PDF


async def test_what_is_replaced_under_a_move_stays(surface: Surface) -> None:
    """A file that another takes the place of between the look and the rename does not go to
    another client under the key of the first; whoever moved it is told."""
    before, after = f"{surface.ben}/early.pdf", f"{surface.alma}/late.pdf"
    await surface.put(f"{BUCKET}/{before}")
    version, instead = await version_of(surface, f"{BUCKET}/{before}"), str(uuid4())
    body = {"bucketId": BUCKET, "sourceKey": before, "destinationKey": after}
    turn = "update storage.file set version = $2 where version = $1"
    async with surface.admin.transaction():
        await surface.admin.execute(turn, version, instead)
        moving = asyncio.create_task(surface.call("POST", "/object/move", body))
        await surface.waited_for()
    moved = await moving
    await surface.admin.execute(turn, instead, version)
    assert moved.told == ("404", "not_found")
    assert await read(surface, f"{BUCKET}/{before}") == PDF


async def test_a_rotation_touches_no_file(surface: Surface) -> None:
    """The master key changes: what clients' keys are sealed in is new, what files' keys are wrapped
    in and the files themselves are as they were, and the new master key alone opens them."""
    place = f"{BUCKET}/{surface.alma}/turned.pdf"
    await surface.put(place)
    version = await version_of(surface, place)
    look = "select f.locked, k.sealed from storage.file f join storage.key k on k.id = f.key_id"
    before = await surface.admin.fetchrow(f"{look} where f.version = $1", version)
    path = surface.shelf.place(surface.lakeside, version)
    lying = path.read_bytes()
    new = Vault(b"n" * 32)
    assert before is not None
    try:
        async with connect_owner(surface.services.admin_url) as owner:
            await reseal(owner, Vault(b"n" * 32, MASTER_KEY), lambda _: None)
        after = await surface.admin.fetchrow(f"{look} where f.version = $1", version)
        assert after is not None
        assert after["sealed"] != before["sealed"]
        assert (after["locked"], path.read_bytes()) == (before["locked"], lying)
        async with surface.services.database.as_worker(surface.lakeside) as connection:
            assert await keys.key_of(connection, new, surface.lakeside, version) is not None
            with pytest.raises(SealBroken):
                await keys.key_of(connection, Vault(MASTER_KEY), surface.lakeside, version)
    finally:
        async with connect_owner(surface.services.admin_url) as owner:
            await reseal(owner, Vault(MASTER_KEY, b"n" * 32), lambda _: None)
    assert await read(surface, place) == PDF


async def test_one_practices_keys_are_not_anothers(surface: Surface) -> None:
    """No worker sees a key of another practice, and what is kept beside one row opens no other."""
    place = f"{BUCKET}/{surface.alma}/apart.pdf"
    await surface.put(place)
    version = await version_of(surface, place)
    services = surface.services
    async with services.database.as_worker(surface.mesa) as connection:
        assert (
            await connection.fetch("select 1 from storage.key where whose = $1", surface.alma) == []
        )
        with pytest.raises(keys.NoKey):
            await keys.key_of(connection, services.vault, surface.mesa, version)
    await surface.put(f"{BUCKET}/{surface.alma}/swapped.pdf")
    await surface.admin.execute(
        "update storage.file f set locked = o.locked from storage.file o"
        " where f.version = $1 and o.name like '%/swapped.pdf'",
        version,
    )
    assert (await surface.call("GET", f"/object/{place}")).told == ("500", "internal")


async def test_a_copy_leaves_for_the_provider_plain(surface: Surface) -> None:
    """What is shipped is what came in, under the sum it had, also after it was deleted here;
    without its key it does not leave."""
    place = f"{BUCKET}/{surface.alma}/shipped.pdf"
    kept = UUID((await surface.put(place)).body["Id"])
    version = await version_of(surface, place)
    services = surface.services
    landings = ShelfLandings(services.database, services.vault, surface.shelf, surface.lakeside)
    sha256 = hashlib.sha256(PDF).hexdigest()
    document = Document(
        "document", BUCKET, str(kept), version, len(PDF), sha256, "application/pdf", ON_SHELF
    )
    landed = Landed(document, landings)
    assert await landed.look() is None
    assert b"".join([piece async for piece in landed.pieces()]) == PDF
    assert landed.md5 == hashlib.md5(PDF, usedforsecurity=False).hexdigest()
    path = surface.shelf.place(surface.lakeside, version)
    path.write_bytes(path.read_bytes()[:-1])
    assert await landed.look() == "landed_altered"
    await surface.call("DELETE", f"/object/{place}")
    assert await landed.look() == "landed_altered"
    await surface.expire(f"{surface.alma}/shipped.pdf")
    assert await landed.look() == "landed_missing"
