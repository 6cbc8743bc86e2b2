"""How many connections the database has left: with none, nobody sends, looks or is paged."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.db import Connection
from mentalspace.engine.in_the_way import NAMELESS

_TIGHT = 0.9


@dataclass(frozen=True, slots=True)
class Slots:
    """`taken` of `most` connections; `held_by` holds most of them, so many, mostly `held_state`."""

    taken: int
    most: int
    held_by: str
    held: int
    held_state: str

    @property
    def are_tight(self) -> bool:
        return self.taken >= _TIGHT * self.most

    @property
    def words(self) -> str:
        """It names no person: a program by the name it gave."""
        return (
            f"{self.taken} of the database's {self.most} connections are taken:"
            f" {self.held_by or NAMELESS} holds {self.held} of them, mostly {self.held_state}"
        )

    @property
    def advice(self) -> str:
        name = self.held_by.replace("'", "''")
        return (
            "Have them closed, or as the owner end them: select pg_terminate_backend(pid) from"
            f" pg_stat_activity where application_name = '{name}'"
        )


async def read_tight_slots(connection: Connection) -> Slots | None:
    """None while there are enough. As the dispatcher or on-call."""
    slots = Slots(**await connection.fetchrow("select * from app.connection_slots()"))
    return slots if slots.are_tight else None
