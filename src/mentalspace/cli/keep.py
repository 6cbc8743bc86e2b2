"""One child process, kept running: started, watched, started again when it dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mentalspace.cli.living import Mark, mark_of
from mentalspace.cli.probe import Probe
from mentalspace.cli.run_state import Seen, log_file, now_text
from mentalspace.engine.ends import End, last_said, note

# Who lived this long and then died starts again at once; who dies sooner waits ever longer.
STEADY_S = 5.0
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Program:
    """`alive_url` answers 200 once it is at work; without one, running is enough.

    What needs the database starts after it and ends before it.
    """

    name: str
    argv: tuple[str, ...]
    alive_url: str | None = None
    needs_database: bool = True


class Kept:
    """The main thread's alone."""

    def __init__(self, program: Program, home: Path, wake: Callable[[], None]) -> None:
        self.program = program
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._probe = Probe(program.alive_url, wake) if program.alive_url else None
        self._began = 0.0
        self._log_from = 0
        self._again_at = 0.0  # monotonic
        self._quick_deaths = 0
        self.seen = Seen(program.name, "waiting", now_text())

    @property
    def running(self) -> bool:
        return self.seen.state == "running"

    def step(self) -> str | None:
        """Bring it forward; a sentence when something happened that a person should know."""
        if self._process is None:
            if time.monotonic() >= self._again_at:
                self._start()
            return None
        status = self._process.poll()
        if status is not None:
            return self._died(status)
        if self.seen.state in ("starting", "restarting") and (
            self._probe is None or self._probe.ok
        ):
            self._become("running")
        return None

    def wait_s(self) -> float:
        """For how long nothing is due."""
        return max(0.0, self._again_at - time.monotonic()) if self._process is None else 60.0

    def ask_to_end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._become("stopping")
            self._process.send_signal(signal.SIGTERM)

    def ended(self) -> bool:
        """Whether it is gone; it will not come back."""
        if self._process is not None and self._process.poll() is None:
            return False
        self._close()
        return True

    def force(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close()

    def _start(self) -> None:
        log = log_file(self._home, self.program.name)
        self._log_from = os.fstat(log).st_size
        try:
            # A process group of its own: Ctrl-C in the terminal reaches the supervisor alone.
            # Standard input is a pipe whose other end dies with us; see `orphan.py`.
            self._process = subprocess.Popen(
                self.program.argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        finally:
            os.close(log)
        self._began = time.monotonic()
        if self._probe is not None:
            self._probe.again()
        first = self.seen.state == "waiting"
        self._become("starting" if first else "restarting", mark_of(self._process.pid))

    def _died(self, status: int) -> str:
        name, lived_s = self.program.name, time.monotonic() - self._began
        self._note(status, lived_s)
        self._drop_process()
        self._quick_deaths = 0 if lived_s >= STEADY_S else self._quick_deaths + 1
        wait_s = backoff_s(self._quick_deaths)
        self._again_at = time.monotonic() + wait_s
        self._become("restarting", restarts=self.seen.restarts + 1)
        when = "at once" if wait_s == 0 else f"in {wait_s:g} s; see {name}.log for its reason"
        return f"{name} {_how(status)} after {lived_s:.1f} s; starting it again {when}"

    def _note(self, status: int, lived_s: float) -> None:
        """For whoever is on call, who may not see this screen."""
        assert self._process is not None
        name, said = self.program.name, self._home / "logs" / f"{self.program.name}.log"
        end = End(
            kind=name,
            host=socket.gethostname(),
            pid=self._process.pid,
            ended_at=datetime.now(UTC),
            lived_s=lived_s,
            status=status,
            said=last_said(said, self._log_from),
        )
        note(self._home, end)

    def _become(self, state: str, mark: Mark | None = None, restarts: int | None = None) -> None:
        if mark is None and state in ("running", "stopping"):
            mark = self.seen.mark
        restarts = self.seen.restarts if restarts is None else restarts
        self.seen = Seen(self.program.name, state, now_text(), mark, restarts)

    def _close(self) -> None:
        if self._probe is not None:
            self._probe.end()
        self._drop_process()
        if self.seen.state != "stopped":
            self._become("stopped")

    def _drop_process(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def backoff_s(quick_deaths: int) -> float:
    """The first early death costs no wait: a killed worker's work must go on."""
    if quick_deaths < 2:
        return 0.0
    return float(min(LONGEST_WAIT_S, 0.5 * 2 ** (quick_deaths - 2)))


def _how(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
