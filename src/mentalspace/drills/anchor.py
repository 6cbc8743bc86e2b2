"""What a game day's chain begins with: which system, which runbook, where, and by which clock."""

from __future__ import annotations

import platform
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mentalspace.drills.run import room_of
from mentalspace.drills.sheet import iso
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Drill, Rehearsal
from mentalspace.engine.runbook.revision import book_revision, drill_revision
from mentalspace.engine.services import Services

FORMAT = "mentalspace game day 1"

# So that a whole game day cannot be taken away unseen: each names the one before it.
_BEFORE = """
select g.id, h.seq, h.hash from game_day g join evidence_head h on h.chain = g.id
 where g.id <> $1 order by g.started_at desc limit 1
"""


async def anchor(
    services: Services, connection: Connection, game_day: str, drills: Sequence[Drill | Rehearsal]
) -> dict[str, Any]:
    before = await connection.fetchrow(_BEFORE, game_day)
    return {
        "format": FORMAT,
        "game_day": game_day,
        "system": {
            "version": version("mentalspace"),
            "database": services.shape,
            "postgres": await connection.fetchval("show server_version"),
            "python": platform.python_version(),
            "mode": services.settings.mode.value,
            "host": socket.gethostname(),
        },
        "runbook": book_revision(services.runbooks),
        "clock": {
            "house": iso(services.clock.now()),
            "host": iso(datetime.now(UTC)),
            "ahead_s": services.clock.offset.total_seconds(),
        },
        "before": dict(before) if before is not None else None,
        "planned": [
            {
                "id": drill.id,
                "title": drill.title,
                "room": room_of(drill),
                "revision": drill_revision(services.runbooks, drill),
            }
            for drill in drills
        ],
    }
