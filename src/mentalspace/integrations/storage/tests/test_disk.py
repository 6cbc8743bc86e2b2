"""The shelf: what is landed is found only once it is whole, and what is read is what was landed."""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.reading import Content, FileDamaged, open_file, read
from mentalspace.integrations.storage.disk.shelf import LANDING, DiskShelf
from mentalspace.integrations.storage.disk.thread import THREADS, in_thread
from mentalspace.integrations.storage.lock.frames import FRAME, HEAD, locked_size

PRACTICE = UUID(int=7)
CONTENT = bytes(range(256)) * 10_000


@pytest.fixture
def shelf(tmp_path: Path) -> DiskShelf:
    return DiskShelf(tmp_path / "storage")


async def landed(shelf: DiskShelf, content: bytes = CONTENT) -> tuple[Content, str]:
    """What came in three pieces, and its digest."""
    async with Landing(shelf, PRACTICE) as landing:
        for start in range(0, len(content), 1_000_000):
            await landing.write(content[start : start + 1_000_000])
        await landing.publish()
    return Content(PRACTICE, landing.version, landing.size, landing.key), landing.sha256


async def given(
    shelf: DiskShelf, content: Content, start: int, end: int, sha256: str | None = None
) -> bytes:
    stretch = await open_file(shelf, content, start, end)
    return b"".join([piece async for piece in read(stretch, sha256=sha256)])


@pytest.mark.parametrize("size", [0, 1, FRAME, FRAME + 1, 5 * FRAME, len(CONTENT)])
async def test_what_landed_is_given_out(shelf: DiskShelf, size: int) -> None:
    """Whole or a stretch, byte for byte, under a digest that was made on the way, whatever its size
    is to the frames'. On the disk lies nothing that can be read."""
    content = CONTENT[:size]
    kept, sha256 = await landed(shelf, content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert await given(shelf, kept, 0, size, sha256) == content
    for start, end in ((0, 1), (FRAME - 1, FRAME + 1), (FRAME, 2 * FRAME), (size - 1, size)):
        if 0 <= start < end <= size:
            assert await given(shelf, kept, start, end) == content[start:end]
    raw = shelf.place(PRACTICE, kept.version).read_bytes()
    assert len(raw) == locked_size(size) == shelf.size(PRACTICE, kept.version)
    assert bytes(range(32)) not in raw


async def test_a_range_reads_its_frames_alone(shelf: DiskShelf) -> None:
    """What is damaged elsewhere in the file stops nobody who does not ask for it."""
    kept, _ = await landed(shelf)
    place = shelf.place(PRACTICE, kept.version)
    raw = bytearray(place.read_bytes())
    raw[len(HEAD) : len(HEAD) + FRAME] = bytes(FRAME)
    place.write_bytes(raw[: len(raw) - 100])
    assert await given(shelf, kept, FRAME, 3 * FRAME) == CONTENT[FRAME : 3 * FRAME]


async def test_an_abandoned_landing_leaves_nothing(shelf: DiskShelf) -> None:
    """Whatever ends an upload early, its bytes go, and none was ever in a practice's folder."""
    with pytest.raises(ConnectionError):
        async with Landing(shelf, PRACTICE) as landing:
            await landing.write(CONTENT)
            await landing.write(CONTENT)  # by now the first is there
            assert list((shelf.root / LANDING).iterdir()) != []
            assert shelf.practices() == []
            raise ConnectionError
    assert list((shelf.root / LANDING).iterdir()) == []


async def test_nobody_else_on_the_machine_reads_it(shelf: DiskShelf) -> None:
    """Files and folders are their owner's alone."""
    kept, _ = await landed(shelf)
    place = shelf.place(PRACTICE, kept.version)
    assert place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o077 == 0


def _swapped(raw: bytes) -> bytes:
    first, second = len(HEAD), len(HEAD) + FRAME + 16
    return (
        raw[:first]
        + raw[second : 2 * second - first]
        + raw[first:second]
        + raw[2 * second - first :]
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda _raw: b"",
        lambda raw: raw[: len(HEAD) + 4 * (FRAME + 16)],
        _swapped,
        lambda raw: raw[: len(HEAD)] + CONTENT,
    ],
    ids=["cut", "altered", "emptied", "cut between frames", "swapped", "plain"],
)
async def test_damage_is_met_before_the_end(
    shelf: DiskShelf, damage: Callable[[bytes], bytes]
) -> None:
    """A file whose bytes or frames are others is never given out to its last byte, with a digest
    or without; no byte is given out that did not come in."""
    kept, sha256 = await landed(shelf)
    place = shelf.place(PRACTICE, kept.version)
    place.write_bytes(damage(place.read_bytes()))
    for digest in (sha256, None):
        out = bytearray()
        with pytest.raises(FileDamaged):
            stretch = await open_file(shelf, kept, 0, kept.size)
            async for piece in read(stretch, sha256=digest):
                out += piece
        assert CONTENT.startswith(out)
        assert len(out) < len(CONTENT)


async def test_another_files_key_opens_nothing(shelf: DiskShelf) -> None:
    """Two files of the same bytes have nothing in common on the disk."""
    one, _ = await landed(shelf)
    other, _ = await landed(shelf)
    with pytest.raises(FileDamaged):
        await given(shelf, replace(one, key=other.key), 0, 10)


async def test_what_landed_before_files_were_locked_is_given_out(shelf: DiskShelf) -> None:
    """A file that lies there plain has no key, and is given out as ever."""
    version, sha256 = str(uuid4()), hashlib.sha256(CONTENT).hexdigest()
    shelf.made(PRACTICE, version).write_bytes(CONTENT)
    kept = Content(PRACTICE, version, len(CONTENT), None)
    assert await given(shelf, kept, 0, len(CONTENT), sha256) == CONTENT
    assert await given(shelf, kept, 5, 700_000) == CONTENT[5:700_000]
    shelf.place(PRACTICE, version).write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(FileDamaged):
        await given(shelf, kept, 0, len(CONTENT), sha256)


async def test_a_copy_stands_by_itself(shelf: DiskShelf) -> None:
    """Either of two names may be deleted, twice if need be, and the other's bytes stay."""
    kept, sha256 = await landed(shelf)
    other = replace(kept, version=str(uuid4()))
    shelf.link(PRACTICE, kept.version, other.version)
    shelf.delete(PRACTICE, kept.version)
    shelf.delete(PRACTICE, kept.version)
    assert await given(shelf, other, 0, len(CONTENT), sha256) == CONTENT
    assert [one.version for one in shelf.versions(PRACTICE)] == [other.version]
    assert shelf.missing(PRACTICE, [other.version, kept.version]) == [kept.version]


async def test_what_others_put_there_is_left_alone(shelf: DiskShelf) -> None:
    """A folder, a file or a name that is none of ours, wherever it lies, is no practice and no
    version, and stays; what is ours beside it is found."""
    kept, _ = await landed(shelf)
    place = shelf.place(PRACTICE, kept.version)
    (shelf.root / "lost+found").mkdir()
    (shelf.root / str(uuid4())).touch()
    (place.parent.parent / "notes.txt").touch()
    (place.parent.parent / ".snapshot").mkdir()
    (place.parent / ".nfs0001").touch()
    (place.parent / str(uuid4())).mkdir()
    (shelf.root / LANDING / ".nfs0002").mkdir()
    assert shelf.practices() == [PRACTICE]
    assert [one.version for one in shelf.versions(PRACTICE)] == [kept.version]
    assert shelf.clear_drafts(before=math.inf) == 0


@pytest.mark.parametrize(
    "version", ["../../etc/passwd", "", "x", "6B67A48B-19C5-4D94-8467-4B2A3BA5EAF2"]
)
def test_a_version_is_no_path(shelf: DiskShelf, version: str) -> None:
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


async def test_files_and_passwords_do_not_wait_for_each_other() -> None:
    """A bucket that hangs in every thread of ours holds up nothing that waits in asyncio's own, and
    the other way round."""
    loop, released = asyncio.get_running_loop(), threading.Event()
    few = ThreadPoolExecutor(1)
    loop.set_default_executor(few)
    try:
        for hang, other, number in (
            (in_thread, asyncio.to_thread, THREADS), (asyncio.to_thread, in_thread, 1)
        ):  # fmt: skip
            released.clear()
            hanging = [asyncio.create_task(hang(released.wait)) for _ in range(number)]
            await asyncio.sleep(0)
            assert await asyncio.wait_for(other(lambda: 1), 5) == 1
            released.set()
            await asyncio.gather(*hanging)
    finally:
        released.set()
        loop.set_default_executor(ThreadPoolExecutor())
        few.shutdown()
