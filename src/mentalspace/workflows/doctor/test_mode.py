"""Who switched a credential's test mode on, what it has refused, and what switching it off does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.watch.refused import cases_of_tests

# $2 are the cases by which a credential for tests refuses.
_READ = f"""
select c.id, begun.began_at, begun.began_by, begun.by_hand, refused.people as refused,
       soon.people as soon
  from credential c
  left join lateral (select * from app.test_mode_begun(c.id)) begun on true
 cross join lateral (
    select count(distinct {PERSON}) as people from delivery d
     where d.credential_id = c.id and d.status = 'refused' and d.last_case = any ($2)
       and d.drill is null and d.ended_at > app.now() - interval '24 hours') refused
 cross join lateral (
    select count(distinct {PERSON}) as people from delivery d
     where d.credential_id = c.id and d.status in ('pending', 'due') and d.drill is null
       and d.due_at <= app.now() + interval '24 hours') soon
 where c.id = any ($1) and c.test_only
"""


@dataclass(frozen=True, slots=True)
class OnlyTests:
    """`began_at` and `began_by` are None where nobody knows; `by_hand` is by the switch, and not as
    the credential was stored. `refused` people in a day; `soon` is how many wait for one that
    leaves within a day."""

    began_at: datetime | None
    began_by: str | None
    by_hand: bool | None
    refused: int
    soon: int

    @property
    def words(self) -> str:
        text = "only the provider's test recipients are reached"
        if self.began_at is not None:
            how = "switched on" if self.by_hand else "stored so"
            text += f", {how} {self.began_at:%Y-%m-%d %H:%M} UTC by {self.began_by}"
        return f"{text}; {_people(self.refused)} refused in 24 h" if self.refused else text

    def cure(self, command: str) -> str:
        said = f"{command}: {switched_off(self.soon)}"
        return f"{said}; what was refused stays so" if self.refused else said


def off_command(room: str, practice: str, provider: str) -> str:
    """As it is typed; `practice` is its slug."""
    return (
        f"mentalspace credential test-mode {room} --practice {practice} --provider {provider} --off"
    )


def switched_off(soon: int) -> str:
    """What it does, and to how many, as the end of a sentence."""
    if not soon:
        return "what falls due goes out; nobody has anything due in the next 24 hours"
    return f"what falls due goes out, in the next 24 hours to {_people(soon)}"


async def read_test_modes(
    connection: Connection, runbooks: Runbooks, credential_ids: Sequence[UUID]
) -> dict[UUID, OnlyTests]:
    """Of those that reach nobody else. Runs as on-call."""
    cases = [case for room in runbooks.rooms for case in cases_of_tests(room.cases)]
    rows = await connection.fetch(_READ, list(credential_ids), cases)
    return {row["id"]: OnlyTests(*list(row.values())[1:]) for row in rows}


def _people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"
