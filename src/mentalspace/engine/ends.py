"""How the processes of a host ended: noted by who keeps them, and kept for whoever is on call."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# A note is read within seconds; whoever ends again and again fills no disk.
_NOTED = 50
_TAIL_BYTES = 16_384
_KILL = 9
# Of a log line what says why, in this order; ids and instants say nothing to a person.
_TELLING = ("kind", "error", "reason", "code", "http", "rule", "path_template", "port")
_EVENT = re.compile(r"[a-z0-9_]{1,60}")
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class End:
    """`ended_at` is real time, `status` the exit code, or a signal below zero; `said` the last line
    of its log, of which only names and codes are kept."""

    kind: str
    host: str
    pid: int
    ended_at: datetime
    lived_s: float
    status: int
    said: str | None

    @property
    def words(self) -> str:
        """`killed by signal 9, by somebody or by the kernel when memory runs out`."""
        if self.status == -_KILL:
            return f"killed by signal {_KILL}, by somebody or by the kernel when memory runs out"
        if self.status < 0:
            return f"ended by signal {-self.status}"
        return f"ended with code {self.status}"

    @property
    def advice(self) -> str:
        """The one thing to look at first."""
        if self.status == -_KILL:
            return (
                "On its host: see in the kernel’s log whether memory ran out (`journalctl -k`, “Out"
                " of memory”), and end what takes it; else something there kills it: find what."
            )
        if self.status <= 0:
            return (
                "On its host: find what ends it, a script, a service manager or a person, and stop"
                " that."
            )
        return (
            f"On its host: read the end of `{self.kind}.log`, and undo what changed when this"
            " began."
        )


def note(home: Path, end: End) -> None:
    """Put it where the processes of this home read it. A full disk is no reason to stop."""
    path = _notes(home)
    lines = [json.dumps({**asdict(one), "ended_at": one.ended_at.isoformat()})
             for one in [*noted(home)[1 - _NOTED :], end]]  # fmt: skip
    with suppress(OSError):
        partial = path.with_suffix(".new")
        partial.write_text("".join(f"{line}\n" for line in lines))
        partial.replace(path)


def noted(home: Path) -> list[End]:
    """The oldest first; what cannot be read is left out."""
    try:
        lines = _notes(home).read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, TypeError, KeyError):
            values = json.loads(line)
            at = datetime.fromisoformat(values.pop("ended_at"))
            found.append(End(ended_at=at.astimezone(UTC), **values))
    return found


def last_said(log: Path, since_byte: int) -> str | None:
    """The last line that a process wrote there, in names and codes: `uncaught, error KeyError`.

    What is no line of our own log stays away: an interpreter that dies may quote anybody.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(since_byte, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    return next((said for line in reversed(lines) if (said := _said(line))), None)


def _said(line: str) -> str | None:
    from mentalspace.engine.log import ALLOWED  # the command line starts faster without

    try:
        values: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(values, dict) or not values.keys() <= ALLOWED:
        return None
    event = values.get("event")
    if not isinstance(event, str) or _EVENT.fullmatch(event) is None:
        return None
    told = [f"{key} {values[key]}" for key in _TELLING if values.get(key) is not None]
    return ", ".join([event, *told])[:_LONGEST]


def _notes(home: Path) -> Path:
    return home / "run" / "ends.jsonl"
