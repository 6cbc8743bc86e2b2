"""The shelf: what is landed is found only once it is whole, and what is read is what was landed."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.reading import FileDamaged, open_file, read
from mentalspace.integrations.storage.disk.shelf import Shelf
from mentalspace.integrations.storage.disk.thread import in_thread

PRACTICE = UUID(int=7)
CONTENT = bytes(range(256)) * 10_000


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "storage")


async def landed(shelf: Shelf, content: bytes = CONTENT) -> tuple[str, str]:
    """The version and the digest of a file that came in three pieces."""
    async with Landing(shelf) as landing:
        for start in range(0, len(content), 1_000_000):
            await landing.write(content[start : start + 1_000_000])
        return await landing.publish(PRACTICE), landing.sha256


async def given(shelf: Shelf, version: str, start: int, end: int, sha256: str | None) -> bytes:
    file = await open_file(shelf.place(PRACTICE, version))
    return b"".join([piece async for piece in read(file, start, end, sha256=sha256)])


async def test_what_landed_is_given_out(shelf: Shelf) -> None:
    """Whole or a stretch, byte for byte, under a digest that was made on the way."""
    version, sha256 = await landed(shelf)
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert await given(shelf, version, 0, len(CONTENT), sha256) == CONTENT
    assert await given(shelf, version, 5, 700_000, None) == CONTENT[5:700_000]
    empty, digest = await landed(shelf, b"")
    assert await given(shelf, empty, 0, 0, digest) == b""


async def test_an_abandoned_landing_leaves_nothing(shelf: Shelf) -> None:
    """Whatever ends an upload early, its bytes go, and none was ever in a practice's folder."""
    with pytest.raises(ConnectionError):
        async with Landing(shelf) as landing:
            await landing.write(CONTENT)
            assert shelf.practices() == []
            raise ConnectionError
    assert list(shelf.landings()) == []


async def test_nobody_else_on_the_machine_reads_it(shelf: Shelf) -> None:
    """Files and folders are their owner's alone."""
    version, _ = await landed(shelf)
    place = shelf.place(PRACTICE, version)
    assert place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"?", b""])
async def test_damage_is_met_before_the_end(shelf: Shelf, damage: bytes) -> None:
    """A file that was cut, altered or emptied is never given out to its last byte."""
    version, sha256 = await landed(shelf)
    shelf.place(PRACTICE, version).write_bytes(damage)
    out = bytearray()
    with pytest.raises(FileDamaged):
        file = await open_file(shelf.place(PRACTICE, version))
        async for piece in read(file, 0, len(CONTENT), sha256=sha256):
            out += piece
    assert len(out) < len(CONTENT)


async def test_a_copy_stands_by_itself(shelf: Shelf) -> None:
    """Either of two names may be deleted, twice if need be, and the other's bytes stay."""
    version, sha256 = await landed(shelf)
    other = str(uuid4())
    shelf.link(PRACTICE, version, other)
    shelf.delete(PRACTICE, version)
    shelf.delete(PRACTICE, version)
    assert await given(shelf, other, 0, len(CONTENT), sha256) == CONTENT
    assert [entry.name for entry in shelf.versions(PRACTICE)] == [other]


@pytest.mark.parametrize(
    "version", ["../../etc/passwd", "", "x", "6B67A48B-19C5-4D94-8467-4B2A3BA5EAF2"]
)
def test_a_version_is_no_path(shelf: Shelf, version: str) -> None:
    """Only a version as it was given names a place."""
    with pytest.raises(ValueError):
        shelf.place(PRACTICE, version)


async def test_work_on_the_disk_is_over_before_a_cancelled_caller_goes_on() -> None:
    """Cancelled while a thread works, a caller waits for it, and is cancelled then."""
    done: list[bool] = []
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(started.set)
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 200_000)
        done.append(True)

    task = asyncio.create_task(in_thread(work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
