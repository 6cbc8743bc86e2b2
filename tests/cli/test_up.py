"""`mentalspace up` as a person runs it: everything real, on free ports, in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mentalspace.cli.living import Mark, mark_of, wait_gone
from mentalspace.engine import postgres
from tests.cli.commands import PROGRAM, environment_of, mentalspace


@dataclass(frozen=True, slots=True)
class Installation:
    home: Path
    environment: Mapping[str, str]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return mentalspace(self.environment, *words)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.call("status", "--json").stdout)
        return told

    def process(self, name: str) -> dict[str, Any]:
        return _named(self.status(), name)

    def mark(self, name: str) -> Mark:
        mark = mark_of(self.process(name)["pid"])
        assert mark is not None
        return mark

    def until_back(self, name: str) -> None:
        """Until it was restarted once and all is ready."""
        self.until(lambda told: told["ready"] and _named(told, name)["restarts"] == 1)

    def until(self, holds: Callable[[dict[str, Any]], object], within_s: float = 20) -> None:
        ends = time.monotonic() + within_s
        while not holds(told := self.status()):
            assert time.monotonic() < ends, told
            time.sleep(0.1)


def _named(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in told["processes"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    home = tmp_path / "home"
    made = Installation(home, environment_of(home))
    yield made
    made.call("down")
    postgres.destroy(home)


@pytest.mark.database
def test_up_heals_what_is_killed_and_down_ends_it(installation: Installation) -> None:
    """Detached, everything is ready, comes back after kill -9, and is gone after `down`."""
    up = installation.call("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert "frontdesk@demo.example" in up.stdout
    told = installation.status()
    assert told["ready"], told
    assert {p["name"] for p in told["processes"]} == {"api", "worker", "sandbox", "postgres"}
    marks = [installation.mark(process["name"]) for process in told["processes"]]

    again = installation.call("up")
    assert again.returncode == 1
    assert f"already running in {installation.home} as process" in again.stderr

    for name in ("worker", "postgres"):
        installation.mark(name).send(signal.SIGKILL)
        installation.until_back(name)

    marks += [installation.mark(process["name"]) for process in installation.status()["processes"]]
    down = installation.call("down")
    assert down.returncode == 0, down.stderr
    assert not any(mark.alive for mark in marks)
    assert installation.status()["ready"] is False


@pytest.mark.database
def test_a_start_after_a_killed_supervisor_ends_in_one_system(installation: Installation) -> None:
    """Programs end with a killed supervisor; the next `up` adopts PostgreSQL; Ctrl-C ends all."""
    installation.call("up", "--detach")
    database = installation.mark("postgres")
    programs = [installation.mark(name) for name in ("api", "worker", "sandbox")]
    os.kill(installation.status()["supervisor"]["pid"], signal.SIGKILL)
    assert wait_gone(programs, timeout_s=12) == []
    assert not installation.status()["ready"]

    terminal, its_end = pty.openpty()
    up = subprocess.Popen([PROGRAM, "up"], env=installation.environment, stdout=its_end)
    os.close(its_end)
    try:
        drawn = _read_until(terminal, "● ready".encode())
        assert b"demo-mentalspace" in drawn
        assert b"\r\x1b[2K" in drawn
        assert installation.mark("postgres") == database
        up.send_signal(signal.SIGINT)
        _read_until(terminal, None)
        assert up.wait(timeout=30) == 0
    finally:
        up.kill()
        up.wait()
        os.close(terminal)
    assert not database.alive


def _read_until(terminal: int, wanted: bytes | None) -> bytes:
    """What a terminal was shown, until `wanted` appears; None: until the other end closes."""
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end closed
        while wanted is None or wanted not in shown:
            shown += os.read(terminal, 4096)
    return shown
