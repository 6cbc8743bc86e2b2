"""Faults: which calls meet them, how often, and that chance is seeded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mentalspace.emulator.faults import Faults
from mentalspace.emulator.journal import Journal
from mentalspace.emulator.words import Call


def call(method: str = "POST", path: str = "/emails") -> Call:
    return Call(method, path, "", {}, b"", datetime.now(UTC))


def faults(directory: Path, seed: int = 1) -> tuple[Faults, Journal]:
    journal = Journal(directory)
    found = Faults(journal, seed)
    journal.load()
    return found, journal


async def test_times_and_matching_bound_a_fault(tmp_path: Path) -> None:
    """A fault meets only calls of its provider, account and path, and only so many times."""
    found, journal = faults(tmp_path)
    found.add(room="email", provider="resend", kind="status", account="a", path="/emails", times=2)
    assert found.pick("sms", "twilio", "a", call()) is None
    assert found.pick("email", "resend", "b", call()) is None
    assert found.pick("email", "resend", "a", call("GET", "/domains")) is None
    picked = [found.pick("email", "resend", "a", call()) is not None for _ in range(4)]
    assert picked == [True, True, False, False]
    await journal.close()


async def test_share_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """A fault by chance hits the same calls in each run of one seed, and others in another."""

    async def hits(directory: Path, seed: int) -> list[bool]:
        found, journal = faults(directory, seed)
        found.add(room="email", provider="resend", kind="status", share=0.5)
        picked = [found.pick("email", "resend", None, call()) is not None for _ in range(64)]
        await journal.close()
        return picked

    first = await hits(tmp_path / "1", 7)
    assert first == await hits(tmp_path / "2", 7)
    assert first != await hits(tmp_path / "3", 8)
    assert 16 < sum(first) < 48


async def test_the_newest_fault_wins_and_all_outlive_a_restart(tmp_path: Path) -> None:
    """A fault laid on top is met first; after a restart both, and their count, are still there."""
    found, journal = faults(tmp_path)
    below = found.add(room="email", provider="resend", kind="status")
    above = found.add(room="email", provider="resend", kind="latency", times=2)
    assert found.pick("email", "resend", None, call()) == above
    await journal.close()
    found, journal = faults(tmp_path)
    assert found.left(above) == 1
    assert found.pick("email", "resend", None, call()) == above
    assert found.pick("email", "resend", None, call()) == below
    assert found.heal("email") == 2
    assert found.pick("email", "resend", None, call()) is None
    await journal.close()
