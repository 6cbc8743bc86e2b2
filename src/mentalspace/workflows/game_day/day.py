"""A game day read back from its chain of evidence, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.evidence import read_chain
from mentalspace.kernel.chain import FIRST, Entry, Flaw, flaws, from_public
from mentalspace.kernel.errors import MentalSpaceError

NO_END = "the end is missing: nothing closes the chain"
FILE_FORMAT = "mentalspace evidence 1"

Record = Mapping[str, Any]


class NoReport(MentalSpaceError):
    """What was given is no report of a game day; the text says why."""


@dataclass(frozen=True, slots=True)
class Day:
    """`runs` are in the order in which they ended; `closed` is None while it is under way."""

    id: str
    opened: Record
    runs: Sequence[Record]
    closed: Record | None
    entries: Sequence[Entry]

    @property
    def head(self) -> str:
        return self.entries[-1].hash if self.entries else FIRST

    @property
    def flaws(self) -> list[Flaw]:
        """Where the chain does not hold; its end belongs to it."""
        found = flaws(self.entries)
        if self.closed is None:
            last = self.entries[-1].seq if self.entries else 0
            found.append(Flaw(last + 1, NO_END))
        return found

    @property
    def began_at(self) -> datetime:
        return datetime.fromisoformat(self.opened["clock"]["house"])

    @property
    def ended_at(self) -> datetime | None:
        at = (self.closed or {}).get("finished_at")
        return datetime.fromisoformat(at) if at else None

    @property
    def lasted_s(self) -> float | None:
        return (self.ended_at - self.began_at).total_seconds() if self.ended_at else None

    @property
    def failed(self) -> list[Record]:
        return [run for run in self.runs if run["outcome"] == "failed"]

    @property
    def interrupted(self) -> list[Record]:
        return [run for run in self.runs if run["outcome"] == "interrupted"]

    @property
    def passed(self) -> list[Record]:
        return [run for run in self.runs if run["outcome"] == "passed"]

    @property
    def not_run(self) -> list[str]:
        ran = {run["drill"] for run in self.runs}
        return [drill["id"] for drill in self.opened["planned"] if drill["id"] not in ran]

    @property
    def all_well(self) -> bool:
        """Every drill that was planned ran and held, and the background was not touched."""
        background = (self.closed or {}).get("background", {})
        return (
            len(self.passed) == len(self.opened["planned"])
            and self.closed is not None
            and bool(background.get("untouched"))
            and all(one["kept_apart"] for one in self.closed["indicators"].values())
        )

    def entry_of(self, run_id: str) -> Entry | None:
        return next(
            (e for e in self.entries if e.kind == "drill" and e.record["run"] == run_id), None
        )


def read_day(entries: Sequence[Entry]) -> Day:
    """Raises NoReport for a chain that is no game day's."""
    if not entries or entries[0].kind != "opened":
        raise NoReport("the chain does not begin with a game day's opening entry")
    records = [(entry.kind, entry.record) for entry in entries]
    closed = [record for kind, record in records if kind == "closed"]
    return Day(
        id=str(records[0][1]["game_day"]),
        opened=records[0][1],
        runs=[record for kind, record in records if kind == "drill"],
        closed=closed[-1] if closed else None,
        entries=entries,
    )


async def find_day(connection: Connection, game_day: str | None) -> Day | None:
    """By its id; None means the newest. None where there is none. Runs as on-call."""
    found = game_day or await connection.fetchval(
        "select id from game_day order by started_at desc limit 1"
    )
    entries = await read_chain(connection, found) if found else []
    return read_day(entries) if entries else None


def to_json(day: Day) -> str:
    """The report's data: every record readable, with what its hash was made of."""
    values = {
        "format": FILE_FORMAT,
        "chain": day.id,
        "head": day.head,
        "entries": [entry.public() for entry in day.entries],
    }
    return json.dumps(values, indent=1, ensure_ascii=False)


def from_json(text: str) -> Day:
    """Raises NoReport."""
    try:
        values = json.loads(text)
        if values["format"] != FILE_FORMAT:
            raise NoReport(f"its format is {values['format']!r}, not {FILE_FORMAT!r}")
        return read_day([from_public(entry) for entry in values["entries"]])
    except (ValueError, LookupError, TypeError) as error:
        raise NoReport("it is not the JSON that a game day's report is kept in") from error


def spread(seconds: Sequence[float | None]) -> dict[str, Any]:
    """Number, median, 95th percentile and longest; the number alone where there is none."""
    known = sorted(second for second in seconds if second is not None)
    if not known:
        return {"n": 0}
    at95 = known[round(0.95 * (len(known) - 1))]
    figures = {"median": median(known), "p95": at95, "max": known[-1]}
    return {"n": len(known), **{name: round(value, 2) for name, value in figures.items()}}
