"""What belongs to the installation and to no practice: its processes, and its drills."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mentalspace.engine.db import Connection

_HEARTBEATS = """
select process, kind, host, pid, started_at, beat_at,
       extract(epoch from clock_timestamp() - beat_at)::float8 as silent_s
  from heartbeat where beat_at > clock_timestamp() - interval '1 hour' order by kind, started_at
"""


async def read_heartbeats(connection: Connection) -> list[Any]:
    """Processes heard of in the last hour; `silent_s` tells the living from the dead."""
    return list(await connection.fetch(_HEARTBEATS))


def is_alive(heartbeat: Any) -> bool:
    return bool(heartbeat["silent_s"] < 10)


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
