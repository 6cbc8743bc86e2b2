"""What a kill at any moment leaves behind is found, and nothing else is touched."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import UUID, uuid4

import pytest

from mentalspace.integrations.storage.disk.expiry import clear_uploads
from mentalspace.integrations.storage.disk.shelf import LANDING
from mentalspace.integrations.storage.disk.sweep import sweep
from mentalspace.integrations.storage.jobs import sweep_files
from mentalspace.integrations.storage.store import archive
from tests.storage.conftest import PNG, Surface

# What an upload does, in the process that dies. Each step has been done when the next begins.
_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from uuid import UUID
from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.shelf import DiskShelf

root, practice, step = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def upload():
    shelf = DiskShelf(Path(root))
    if step == "named":
        shelf.made = die
    landing = Landing(shelf, UUID(practice))
    await landing.write(bytes(2_000_000))
    await landing.write(b"more" * 500_000)  # by now the first is on the disk
    if step == "written":
        die()
    await landing.publish()
    print(landing.version, flush=True)
    die()

asyncio.run(upload())
"""


async def die_at(surface: Surface, step: str) -> str:
    """An upload whose process is killed once it has got so far; the version, if it had one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DIES, str(surface.shelf.root), str(surface.lakeside), step,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    return out.decode().strip()


@pytest.mark.parametrize("step", ["written", "named", "published"])
async def test_a_killed_upload_is_swept(surface: Surface, step: str) -> None:
    """Killed while it writes, before it is published, or after that and before its row: the bytes
    go once nobody can be about to name them, and kept files stay."""
    place = f"client-documents/{surface.alma}/swept-{step}.png"
    await surface.put(place, PNG)
    database = surface.services.database
    await sweep(database, surface.shelf, grace_s=-1)  # what other tests left
    before = set(surface.files())
    await die_at(surface, step)
    left = set(surface.files()) - before
    assert len(left) == 1
    await sweep(database, surface.shelf, grace_s=60)
    assert left < set(surface.files())
    swept = await sweep(database, surface.shelf, grace_s=-1)
    assert swept.landings + swept.unnamed == 1
    assert set(surface.files()) == before
    assert (await surface.call("GET", f"/object/{place}")).raw == PNG


async def test_a_kill_before_the_old_bytes_are_gone(surface: Surface) -> None:
    """A row that names new bytes, while the old ones are kept: those stay, and if they are lost
    that is told. Killed between the end of their row and theirs, they go."""
    place = f"client-documents/{surface.alma}/replaced.png"
    await surface.put(place, PNG)
    old = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    version = await die_at(surface, "published")
    await surface.admin.execute(
        "update storage.file set version = $1 where version = $2", version, old
    )
    database, bytes_of_old = surface.services.database, surface.shelf.place(surface.lakeside, old)
    content = bytes_of_old.read_bytes()
    before = await sweep(database, surface.shelf, grace_s=-1)
    bytes_of_old.unlink()
    lost = await sweep(database, surface.shelf, grace_s=-1)
    assert (before.unnamed, lost.lost - before.lost) == (0, 1)
    bytes_of_old.write_bytes(content)
    await surface.admin.execute(
        "update storage.archived set purge_at = now() where version = $1", old
    )
    async with database.as_worker(surface.lakeside) as connection:
        assert [one.version for one in await archive.purge(connection, 5, [old])] == [old]
    assert (await sweep(database, surface.shelf, grace_s=-1)).unnamed == 1
    assert old not in surface.files()
    assert version in surface.files()


async def test_a_lost_file_is_told_and_its_row_stays(surface: Surface) -> None:
    """Bytes that are gone are counted; the row still says what was there."""
    place = f"client-documents/{surface.alma}/lost.png"
    kept = UUID((await surface.put(place, PNG)).body["Id"])
    version = await surface.admin.fetchval("select version from storage.file where id = $1", kept)
    path = surface.shelf.place(surface.lakeside, version)
    content = path.read_bytes()
    before = await sweep(surface.services.database, surface.shelf, grace_s=-1)
    path.unlink()
    after = await sweep(surface.services.database, surface.shelf, grace_s=-1)
    assert after.lost == before.lost + 1
    assert (await surface.call("GET", f"/object/info/{place}")).http == 200
    path.write_bytes(content)


async def test_a_stray_name_among_unfinished_uploads(surface: Surface) -> None:
    """What is none of ours stays, and what is old and ours goes all the same."""
    stray, old = (
        surface.partials.place(uuid4()).with_name(".nfs01"),
        surface.partials.place(uuid4()),
    )
    stray.parent.mkdir(parents=True, exist_ok=True)
    for path in (stray, old):
        path.write_bytes(b"x")
    assert await clear_uploads(surface.services.database, surface.partials, grace_s=-1) >= 1
    assert (stray.exists(), old.exists()) == (True, False)
    stray.unlink()


async def test_a_step_that_fails_keeps_none_of_the_others(surface: Surface) -> None:
    """The sweep meets a folder that it cannot delete: uploads and links that are over go all the
    same, and the failure is told."""
    stuck, old = surface.shelf.root / LANDING / str(uuid4()), surface.partials.place(uuid4())
    for folder in (stuck, old.parent):
        folder.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b"of a process that died before its row")
    for path in (stuck, old):
        os.utime(path, (0, 0))
    over = await surface.admin.fetchval(
        "insert into storage.link (id, practice_id, scope, maker_id, maker_role, expires_at)"
        " values ($1, $2, 'upload', $1, 'clinician', app.now() - interval '40 days') returning id",
        uuid4(), surface.lakeside,
    )  # fmt: skip
    with pytest.raises(IsADirectoryError):
        await sweep_files(surface.services)
    assert not old.exists()
    assert not await surface.admin.fetchval("select true from storage.link where id = $1", over)
    stuck.rmdir()
