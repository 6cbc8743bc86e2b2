"""Whether anybody works here at all: the worker's heart, its loops, and who is in their way."""

from __future__ import annotations

from mentalspace.engine.in_the_way import InTheWay, read_in_the_way
from mentalspace.engine.process import DEAD_AFTER_S
from mentalspace.engine.pulse import (
    LOCKED,
    Stalled,
    bound_waits,
    faltering_loops,
    heartbeat_locks,
)
from mentalspace.engine.services import Services
from mentalspace.kernel.checkup import State
from mentalspace.workflows.doctor.report import RoomFinding

# Whoever looks does not wait long for what somebody has locked.
_LOCKED_AFTER_S = 0.5

_WORKERS = (
    "select count(*) from heartbeat where kind = 'worker'"
    " and beat_at > clock_timestamp() - $1 * interval '1 s'"
)


async def look_at_lives(services: Services, room: str) -> list[RoomFinding]:
    """Whether anybody works; that it is not known, while somebody has the heartbeats locked."""
    async with services.database.as_oncall() as connection:
        try:
            async with connection.transaction():
                await bound_waits(connection, lock_s=_LOCKED_AFTER_S)
                workers = await connection.fetchval(_WORKERS, DEAD_AFTER_S)
                stalled = await faltering_loops(connection)
        except LOCKED:
            by = "; ".join(one.words for one in await heartbeat_locks(connection))
            text = f"whether one is alive is not known: {by or 'the heartbeats are locked'}"
            return [RoomFinding(room, "worker", "worker", "bad", text, "ours")]
        in_the_way = await read_in_the_way(connection) if stalled else []
    findings = []
    if not workers:
        text = "no worker's heart beats: nothing is being sent"
        findings.append(RoomFinding(room, "worker", "worker", "bad", text, "ours"))
    findings += [of_lock(room, one) for one in in_the_way]
    return [*findings, *(of_loop(room, one) for one in stalled)]


def of_lock(room: str, one: InTheWay) -> RoomFinding:
    """Whoever restarts a loop that waits for somebody else's lock does it in vain."""
    return RoomFinding(room, "database", "lock", "bad", one.words, "ours", one.advice)


def of_loop(room: str, one: Stalled) -> RoomFinding:
    """A process is as well as the worst of its loops, whatever its heart does."""
    text = f"pid {one.pid} on {one.host} is alive, but {one.why}"
    state: State = "bad" if one.is_long or one.fails else "warning"
    cure = f"mentalspace restart {one.kind}, on its host; the issue house.loop_silent has the rest"
    if one.waits_outside:
        cure = (
            "nothing here: it goes on as soon as it is answered, and a restart would ask the same"
        )
    return RoomFinding(room, one.kind, "worker", state, text, "ours", cure)
