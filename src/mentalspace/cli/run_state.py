"""What the supervisor writes down for `status`, `down` and the next `up`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mentalspace.cli.living import Mark
from mentalspace.kernel.errors import MentalSpaceError


@dataclass(frozen=True, slots=True)
class Seen:
    """One process as it stands. `mark` is None while there is none."""

    name: str
    state: str  # starting, running, restarting, stopping, stopped
    since: str  # ISO 8601, UTC
    mark: Mark | None = None
    restarts: int = 0

    def public(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pid": self.mark.pid if self.mark else None,
            "state": self.state,
            "since": self.since,
            "restarts": self.restarts,
        }


@dataclass(frozen=True, slots=True)
class RunState:
    supervisor: Mark
    since: str
    processes: tuple[Seen, ...]


class AlreadyUp(MentalSpaceError):
    """Another supervisor holds this home."""


class HomeUnusable(MentalSpaceError):
    """State and logs cannot be kept there."""


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Be this home's only supervisor. The lock dies with its holder; children do not inherit
    it. Raises AlreadyUp."""
    directory = _own(_directory(home))
    with directory.joinpath("lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise already_up(home) from None
        yield


def already_up(home: Path) -> AlreadyUp:
    """The refusal, naming the process if it is known."""
    state = read(home)
    alive = state is not None and state.supervisor.alive
    who = f" as process {state.supervisor.pid}" if state is not None and alive else ""
    return AlreadyUp(f"MentalSpace is already running in {home}{who}; `mentalspace down` stops it")


def is_held(home: Path) -> bool:
    """Whether a supervisor lives here."""
    try:
        with _directory(home).joinpath("lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write(home: Path, state: RunState) -> None:
    """Replace the file in one step: a reader sees the old or the new, never half."""
    path = _path(home)
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(asdict(state)))
    partial.replace(path)


def read(home: Path) -> RunState | None:
    """What was written last, by a supervisor that may be dead. None if nothing usable is there."""
    try:
        values = json.loads(_path(home).read_text())
        return RunState(
            supervisor=Mark(**values["supervisor"]),
            since=values["since"],
            processes=tuple(_seen(each) for each in values["processes"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(home: Path) -> None:
    _path(home).unlink(missing_ok=True)


def log_file(home: Path, name: str) -> int:
    """A descriptor to append to logs/NAME.log; its owner's eyes only."""
    logs = _own(home / "logs")
    return os.open(logs / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _seen(values: Mapping[str, Any]) -> Seen:
    mark = values["mark"]
    return Seen(**{**values, "mark": Mark(**mark) if mark else None})


def _own(directory: Path) -> Path:
    """A directory of the home for its owner's eyes only, as the home itself is."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise HomeUnusable(f"MENTALSPACE_HOME: {directory.parent} cannot be used: {why}") from error
    return directory


def _directory(home: Path) -> Path:
    return home / "run"


def _path(home: Path) -> Path:
    return _directory(home) / "status.json"
