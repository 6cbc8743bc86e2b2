"""A locked file that grows: what is whole in it is told, whatever became of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from mentalspace.integrations.storage.disk.growing import Growing
from mentalspace.integrations.storage.lock.frames import new_key
from mentalspace.integrations.storage.lock.strips import MORE, StripBroken

KEY = new_key()
PARTS = (bytes(range(256)) * 8, b"x", bytes(5000))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "growing").open("w+b", buffering=0) as opened:
        growing = Growing(opened.fileno(), KEY)
        for part in PARTS:
            growing.append(part)
        yield opened


def whole(file: BinaryIO) -> bytes:
    return b"".join(Growing(file.fileno(), KEY).pieces())


def test_what_came_is_told_and_read(file: BinaryIO) -> None:
    """By another process too, however it was cut into parts; nothing of it can be read."""
    assert Growing(file.fileno(), KEY).size == len(b"".join(PARTS))
    assert whole(file) == b"".join(PARTS)
    file.seek(0)
    raw = file.read()
    assert bytes(range(16)) not in raw
    assert len(raw) == len(b"".join(PARTS)) + len(PARTS) * MORE


@pytest.mark.parametrize("lost", [1, 3, 4, 20, 21, MORE, MORE + 1, 5000 + MORE - 1, 5000 + MORE])
def test_what_a_crash_tore_is_cut_off(file: BinaryIO, lost: int) -> None:
    """Wherever the last write was broken off, what was whole before it is there, and what comes
    next is read behind it."""
    file.truncate(file.seek(0, 2) - lost)
    growing = Growing(file.fileno(), KEY)
    assert growing.size == len(PARTS[0] + PARTS[1])
    growing.append(b"again")
    assert whole(file) == PARTS[0] + PARTS[1] + b"again"


def test_what_a_crash_left_of_nothing(file: BinaryIO) -> None:
    """The first write itself was broken off, or its bytes never reached the disk."""
    for left in (bytes(10), bytes(9000)):
        file.truncate(0)
        file.seek(0)
        file.write(left)
        assert Growing(file.fileno(), KEY).size == 0
        assert whole(file) == b""


@pytest.mark.parametrize("at", [0, 11, 30, 100, len(PARTS[0]) + MORE - 1])
def test_what_is_altered_is_met_and_the_rest_kept(file: BinaryIO, at: int) -> None:
    """In whichever part of a strip, the last one or not."""
    second = len(PARTS[0]) + MORE + 1 + MORE
    for begins, kept in ((second, PARTS[0] + PARTS[1]), (0, b"")):
        file.seek(begins + at)
        [byte] = file.read(1)
        file.seek(begins + at)
        file.write(bytes([byte ^ 1]))
        growing = Growing(file.fileno(), KEY)
        if begins == 0:
            with pytest.raises(StripBroken):
                list(growing.pieces())
            growing.mend()
        assert growing.size == len(kept)
        assert whole(file) == kept


def test_strips_that_change_places_are_met(file: BinaryIO) -> None:
    """Each is bound to where it was written."""
    first, second = len(PARTS[0]) + MORE, 1 + MORE
    file.seek(0)
    raw = file.read()
    file.seek(0)
    file.write(raw[first : first + second] + raw[:first] + raw[first + second :])
    with pytest.raises(StripBroken):
        list(Growing(file.fileno(), KEY).pieces())


def test_another_uploads_key_opens_nothing(file: BinaryIO) -> None:
    """What lies there is nothing to whoever has another key."""
    assert Growing(file.fileno(), new_key()).size == 0
