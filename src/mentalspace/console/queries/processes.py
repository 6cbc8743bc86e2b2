"""What belongs to the installation and to no practice: its processes, and its drills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mentalspace.console.words import State, span
from mentalspace.engine.db import Connection
from mentalspace.engine.ends import End
from mentalspace.engine.in_the_way import InTheWay, read_in_the_way
from mentalspace.engine.pulse import (
    LOCKED,
    LOOPS,
    Stalled,
    bound_waits,
    faltering_loops,
    heartbeat_locks,
    last_looked,
)
from mentalspace.engine.restarts import Restarts, read_restarts

_DEAD_AFTER_S = 10.0
# Whoever looks does not wait long for what somebody has locked.
_LOCKED_AFTER_S = 0.5
_HEARTBEATS = """
select h.process, h.kind, h.host, h.pid, e.ended_at, e.lived_s, e.status, e.said,
       extract(epoch from clock_timestamp() - h.beat_at)::float8 as silent_s,
       extract(epoch from clock_timestamp() - h.started_at)::float8 as age_s
  from heartbeat h
  left join lateral (
    select * from process_end e where e.host = h.host and e.pid = h.pid
       and h.beat_at between e.ended_at - interval '15 s' and e.ended_at + interval '5 s'
     order by e.ended_at desc limit 1) e on true
 where h.beat_at > clock_timestamp() - interval '1 hour' order by h.kind, h.started_at
"""


@dataclass(frozen=True, slots=True)
class Process:
    """`state` is the worst of its heart and of its `stalled` loops; `end` is how it ended, where a
    supervisor noted that."""

    name: str
    kind: str
    host: str
    pid: int
    age_s: float
    silent_s: float
    state: State
    stalled: Sequence[Stalled]
    end: End | None = None

    @property
    def since_s(self) -> float:
        """For how long the first of its loops has not turned."""
        return max((one.idle_s for one in self.stalled), default=0.0)

    @property
    def error(self) -> str | None:
        """The latest of its loops' errors."""
        failed = [one for one in self.stalled if one.error and one.failed_at]
        return max(failed, key=lambda one: one.failed_at or one.since).error if failed else None

    @property
    def waits(self) -> str | None:
        """What the turn waits for that has lasted longest."""
        return next((one.waits for one in self.stalled if one.waits), None)

    @property
    def waits_outside(self) -> bool:
        """Whether somebody else’s answer is all that they wait for."""
        return bool(self.stalled) and all(one.waits_outside for one in self.stalled)

    @property
    def is_troubled(self) -> bool:
        return self.state.tone in ("bad", "warn")


async def read_processes(connection: Connection) -> list[Process]:
    """Those heard of in the last hour. One that another has replaced is over, and no trouble."""
    rows = await connection.fetch(_HEARTBEATS)
    stalled = await faltering_loops(connection)
    return [_process(row, rows, stalled) for row in rows]


@dataclass(frozen=True, slots=True)
class Lives:
    """Which processes live, and when the rules were last looked at. While somebody has `locked` the
    heartbeats neither is known; it says who, as far as that can be seen. `restarts` are workers
    that start again and again, by host."""

    processes: Sequence[Process]
    looked_at: datetime | None
    locked: Sequence[str] | None = None
    restarts: Mapping[str, Restarts] = field(default_factory=dict)


async def read_lives(connection: Connection) -> Lives:
    """The page opens all the same while the heartbeats are locked. As on-call, in a transaction
    that does nothing else: its waits are bounded from here on."""
    try:
        async with connection.transaction():
            await bound_waits(connection, lock_s=_LOCKED_AFTER_S)
            return Lives(
                await read_processes(connection),
                await last_looked(connection),
                restarts=await read_restarts(connection),
            )
    except LOCKED:
        return Lives((), None, [one.words for one in await heartbeat_locks(connection)])


def _process(row: Any, rows: Sequence[Any], stalled: Sequence[Stalled]) -> Process:
    mine = [one for one in stalled if one.process == row["process"]]
    # Without which nothing is sent, judged or paged is named first.
    mine.sort(key=lambda one: one.name not in LOOPS)
    alive = row["silent_s"] < _DEAD_AFTER_S
    return Process(
        row["process"],
        row["kind"],
        row["host"],
        row["pid"],
        row["age_s"],
        row["silent_s"],
        _of_loops(mine) if alive else _of_silence(row, rows),
        mine if alive else (),
        None if alive or row["status"] is None else _end(row),
    )


def _end(row: Any) -> End:
    return End(**{name: row[name] for name in End.__dataclass_fields__})


def _of_loops(stalled: Sequence[Stalled]) -> State:
    if not stalled:
        return State("Alive", "ok", "its heart beats, and its loops turn")
    worst = max(stalled, key=lambda one: (one.is_long, one.idle_s))
    if not worst.is_long:
        return State("Falters", "warn", "alive, and a loop has not turned well lately")
    word = "Fails" if worst.fails else "Hangs"
    return State(word, "bad", "alive, and a loop does not turn")


def _of_silence(row: Any, rows: Sequence[Any]) -> State:
    for_so_long = f"Silent for {span(row['silent_s'])}"
    same = [o for o in rows if o["kind"] == row["kind"] and o["process"] != row["process"]]
    # It began when this one had ended, whatever has become of it since.
    if any(o["host"] == row["host"] and o["age_s"] <= row["silent_s"] + 1 for o in same):
        return State("Ended", "idle", "another one took its place")
    if not any(o["silent_s"] < _DEAD_AFTER_S for o in same):
        return State(for_so_long, "bad", "nothing is sent, and no rule is looked at")
    return State(for_so_long, "warn", "another one goes on")


@dataclass(frozen=True, slots=True)
class Standstill:
    """Which processes are in trouble now, and who is in whose way in the database."""

    processes: Sequence[Process]
    waits: Sequence[InTheWay]


async def read_standstill(connection: Connection, incident: Any) -> Standstill | None:
    """For an open incident of a loop that is silent or hangs; None for any other."""
    if incident["rule_id"] != "house.loop_silent" or incident["status"] == "resolved":
        return None
    try:
        # It is told as well when the heartbeats are locked, and then the page opens all the same.
        async with connection.transaction():
            await bound_waits(connection)
            troubled = [one for one in await read_processes(connection) if one.is_troubled]
    except LOCKED:
        troubled = []
    return Standstill(troubled, await read_in_the_way(connection))


async def last_drills(connection: Connection) -> dict[str, Any]:
    """The latest finished run of each drill, by its id."""
    rows = await connection.fetch(
        "select distinct on (drill) id, drill, passed, started_at, finished_at, seconds, actor"
        " from drill_run order by drill, started_at desc"
    )
    return {row["drill"]: row for row in rows}


def drills_of(room: str, latest: dict[str, Any]) -> tuple[datetime | None, int]:
    """When a drill of the room last passed, and how many failed when they last ran."""
    runs = [run for drill, run in latest.items() if drill.partition("/")[0] == room]
    passed = [run["finished_at"] for run in runs if run["passed"] and run["finished_at"]]
    failed = sum(1 for run in runs if run["passed"] is False)
    return max(passed, default=None), failed
