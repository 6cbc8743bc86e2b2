"""Who holds a lock in the database that others wait for, and what a person does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mentalspace.engine.db import Connection
from mentalspace.engine.pulse import LockWait, lock_waits

NAMELESS = "a program without a name"


@dataclass(frozen=True, slots=True)
class InTheWay:
    """Who holds a lock that the `waiting` programs wait for, one of them for `longest_s`."""

    holder: LockWait
    waiting: Sequence[str]
    longest_s: float

    @property
    def words(self) -> str:
        """`pid 14637, reporting-tool, idle in transaction for 180 s, holds the lock that … waits
        for`. It names nobody."""
        held = f" for {self.holder.held_s:.0f} s" if self.holder.held_s is not None else ""
        waits = "waits" if len(self.waiting) == 1 else "wait"
        return (
            f"pid {self.holder.holder}, {self.holder.held_by or NAMELESS},"
            f" {self.holder.holder_state}{held}, holds the lock that {', '.join(self.waiting)}"
            f" {waits} for"
        )

    @property
    def advice(self) -> str:
        return lock_advice(self.holder.held_by, self.holder.holder)


async def read_in_the_way(connection: Connection) -> list[InTheWay]:
    """The one first that somebody has waited for longest; mostly none. As the dispatcher or
    on-call."""
    by_holder: dict[int, list[LockWait]] = {}
    waits = await lock_waits(connection)
    for one in waits:
        by_holder.setdefault(one.holder, []).append(one)
    # Who waits in line behind another that waits is not the cause.
    waiters = {one.waiter for one in waits}
    return [
        InTheWay(
            holder=mine[0],
            waiting=sorted({one.waits_as or NAMELESS for one in mine}),
            longest_s=max(one.waits_s or 0.0 for one in mine),
        )
        for pid, mine in by_holder.items()
        if pid not in waiters
    ]


def lock_advice(held_by: str, pid: int | None) -> str:
    """What to do about who holds a lock in the database, by the name it gave; a prepared
    transaction is no process."""
    if pid is None:
        return "As the owner see pg_prepared_xacts, then commit it or roll it back."
    program = held_by.rpartition(" ")[0] if held_by[-1:].isdigit() else held_by
    match program:
        case "mentalspace worker" | "mentalspace api":
            what = program.partition(" ")[2]
            return f"It is ours: mentalspace restart {what} lets go of it, and loses nothing."
        case "mentalspace psql":
            return "Somebody has mentalspace psql open: have them end their transaction."
    return (
        "It is not one of ours: have whoever runs it end the transaction, or end it as the owner"
        f" with select pg_terminate_backend({pid}), once you know what it is."
    )
