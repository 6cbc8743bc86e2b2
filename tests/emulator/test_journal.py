"""The journal: durable before answered, tolerant of a torn end, held by one process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.errors import Refused


def reopen(directory: Path) -> tuple[Journal, list[Record]]:
    seen: list[Record] = []
    journal = Journal(directory)
    journal.on("note", seen.append)
    journal.load()
    return journal, seen


async def test_flushed_records_come_back_in_order(tmp_path: Path) -> None:
    """What was flushed is replayed to a new process in the order it was emitted."""
    journal, _ = reopen(tmp_path)
    for number in range(5):
        journal.emit("note", number=number)
    await journal.close()
    again, seen = reopen(tmp_path)
    assert [record["number"] for record in seen] == [0, 1, 2, 3, 4]
    await again.close()


async def test_flush_returns_only_when_the_file_holds_the_record(tmp_path: Path) -> None:
    """A record is in the file by the time flush returns, and not merely in memory."""
    journal, _ = reopen(tmp_path)
    journal.emit("note", text="first")
    await journal.flush()
    assert b"first" in (tmp_path / "journal.jsonl").read_bytes()
    await journal.close()


async def test_concurrent_flushes_share_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred requests that flush together cost a few fsyncs, not a hundred."""
    syncs = 0
    real = os.fsync

    def counting(file: int) -> None:
        nonlocal syncs
        syncs += 1
        real(file)

    journal, _ = reopen(tmp_path)
    monkeypatch.setattr(os, "fsync", counting)

    async def one(number: int) -> None:
        journal.emit("note", number=number)
        await journal.flush()

    await asyncio.gather(*(one(number) for number in range(100)))
    assert 1 <= syncs <= 5
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 100
    await journal.close()


async def test_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """A line torn by a crash is dropped, and later records start on a line of their own."""
    journal, _ = reopen(tmp_path)
    journal.emit("note", number=1)
    await journal.close()
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"kind":"note","numb')
    journal, seen = reopen(tmp_path)
    assert len(seen) == 1
    journal.emit("note", number=2)
    await journal.close()
    journal, seen = reopen(tmp_path)
    assert [record["number"] for record in seen] == [1, 2]
    await journal.close()


async def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    """Two sandboxes cannot write one journal; the second is told why."""
    journal, _ = reopen(tmp_path)
    with pytest.raises(Refused, match="another sandbox holds"):
        Journal(tmp_path)
    await journal.close()


async def test_nothing_is_acknowledged_after_the_disk_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a write has failed, every later flush fails as well."""
    journal, _ = reopen(tmp_path)

    def broken(_file: int) -> None:
        raise OSError("disk gone")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        journal.emit("note", number=1)
        with pytest.raises(OSError, match="disk gone"):
            await journal.flush()
    journal.emit("note", number=2)
    with pytest.raises(OSError, match="disk gone"):
        await journal.flush()
    with pytest.raises(OSError, match="disk gone"):
        await journal.close()
