"""The journal: durable before answered, tolerant of a torn end, short, held by one process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mentalspace.emulator.hook import News
from mentalspace.emulator.journal import Journal, Record
from mentalspace.emulator.kit import Kit, open_kit
from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.emulator.recorder import Entry, Recorder
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


class Counts:
    """How often each word was noted: many records, little state."""

    def __init__(self, directory: Path) -> None:
        self.seen: dict[str, int] = {}
        self.others: list[Record] = []
        self.journal = Journal(directory, compact_from=10)
        self.journal.on("note", self._apply)
        self.journal.on("seen", lambda record: self.seen.update(record["counts"]))
        self.journal.on("other", self.others.append)
        self.journal.compact(["note", "seen"], self._snapshot)
        self.loaded = self.journal.load()

    def _apply(self, record: Record) -> None:
        self.seen[record["word"]] = self.seen.get(record["word"], 0) + 1

    def _snapshot(self) -> Iterator[Record]:
        yield {"kind": "seen", "counts": self.seen}


async def noted(directory: Path) -> None:
    counts = Counts(directory)
    for number in range(30):
        counts.journal.emit("note", word="even" if number % 2 == 0 else "odd")
    counts.journal.emit("other", number=1)
    await counts.journal.close()


async def test_a_long_file_is_written_anew_at_start(tmp_path: Path) -> None:
    """Thirty records become the two that matter, later ones follow, and nothing is lost."""
    await noted(tmp_path)
    counts = Counts(tmp_path)
    assert (counts.loaded, counts.seen) == (31, {"even": 15, "odd": 15})
    counts.journal.emit("note", word="odd")
    await counts.journal.close()
    again = Counts(tmp_path)
    assert (again.loaded, again.seen) == (3, {"even": 15, "odd": 16})
    assert [record["number"] for record in again.others] == [1]
    await again.journal.close()


@pytest.mark.parametrize("broken", ["fsync", "replace"])
async def test_a_crash_while_it_is_written_anew_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Killed before the new file is in its place, the old one is whole, whatever lies beside it."""
    await noted(tmp_path)

    def killed(*_args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os if broken == "fsync" else Path, broken, killed)
        held = Counts.__new__(Counts)
        with pytest.raises(KeyboardInterrupt):
            held.__init__(tmp_path)  # type: ignore[misc]
    os.close(held.journal._file)  # as the end of a process would
    os.close(held.journal._lock)
    (tmp_path / "journal.new").write_bytes(b'{"kind":"seen","cou')
    counts = Counts(tmp_path)
    assert (counts.loaded, counts.seen) == (31, {"even": 15, "odd": 15})
    await counts.journal.close()


def state(kit: Kit) -> Any:
    """Everything a kit knows."""
    return (
        kit.clock.offset,
        kit.accounts.all(),
        [(fault, kit.faults.left(fault)) for fault in kit.faults.all()],
        kit.recorder.count,
        kit.recorder.replays(),
        list(kit.recorder.entries()),
        kit.outbox.items(),
        kit.keys.recall("acc", "key"),
        kit.hooks.all(),
        kit.hooks.pending,
        kit.options.get("email", "resend"),
        kit.shelf.all("acc", "domain"),
    )


def entry(number: int, *, replayed: bool = False) -> Entry:
    return Entry(
        number, "2026-11-23T09:00:00+00:00", "email", "resend", "acc", "POST", "/emails", None,
        200, f"req_{number}", (), replayed, None,
    )  # fmt: skip


async def test_a_kit_is_the_same_after_its_journal_was_written_anew(tmp_path: Path) -> None:
    """Clock, accounts, faults, records, mails, keys, webhooks, options and shelf all survive."""
    kit = open_kit(tmp_path, seed=1)
    kit.options.declare("email", "resend", {"rate_per_s": 10})
    kit.journal.load()
    kit.clock.move(60)
    account = kit.accounts.put("email", "resend", "one", webhook_url="http://127.0.0.1:9/")
    kit.accounts.revoke_key(kit.accounts.add_key(account, "two"), account.key_hashes[0])
    for times in (1, 2):
        kit.faults.add(room="email", provider="resend", kind="hook_drop", times=times)
    kit.options.put("email", "resend", {"rate_per_s": 3})
    kit.keys.remember("acc", "key", "print", 200, b"{}")
    kit.shelf.put("acc", "domain", "a", {"id": "a"})
    kit.shelf.put("acc", "domain", "b", {"id": "b"})
    kit.shelf.remove("acc", "domain", "a")
    at = kit.clock.now()
    kit.outbox.add(Accepted("m", "email", "resend", "acc", at.isoformat(), "d", {"to": ["x"]}))
    kit.outbox.plan("m", [Step("sent", at.isoformat())], scheduled_at="soon")
    later = [News(f"msg_{n}", "sent", "{}", at + timedelta(hours=n), "m") for n in (1, 2)]
    kit.hooks.tell(account, later)  # the first of them is dropped by a fault
    for number in range(1, 2000):
        kit.recorder.record(entry(number, replayed=number % 3 == 0))
    for _ in range(4000):
        kit.clock.move(60)
    before = state(kit)
    await kit.journal.close()
    size = (tmp_path / "journal.jsonl").stat().st_size
    for _ in range(2):
        kit = open_kit(tmp_path, seed=1)
        kit.options.declare("email", "resend", {"rate_per_s": 10})
        kit.journal.load()
        assert state(kit) == before
        await kit.journal.close()
    assert (tmp_path / "journal.jsonl").stat().st_size < size


async def test_the_recorder_forgets_what_is_old_and_counts_it(tmp_path: Path) -> None:
    """Only the newest requests are held; numbers and repeated ones count all, over a restart."""
    for _ in range(2):
        journal = Journal(tmp_path, compact_from=1)
        recorder = Recorder(journal, kept=4)
        journal.load()
        for number in range(recorder.count + 1, recorder.count + 11):
            recorder.record(entry(number, replayed=True))
        await journal.close()
    assert (recorder.count, recorder.replays()) == (20, {"acc": 20})
    assert [one.number for one in recorder.entries()] == [17, 18, 19, 20]
    assert [one.number for one in recorder.entries(since=18)] == [19, 20]
    assert [one.number for one in recorder.newest(2)] == [20, 19]
