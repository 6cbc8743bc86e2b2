"""What the evaluator has judged against the answers of the tries: the doctor says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.kernel.checkup import Whose
from mentalspace.workflows.doctor.report import RoomFinding

# What follows from the answers; whatever else is wrong is looked at by itself.
_OF_ANSWERS = ("provider", "breaker", "lanes", "calls")
_READ = """
select distinct on (i.credential_id) i.credential_id, i.fault, i.facts,
       exists (select from credential_former f
                where f.credential_id = i.credential_id and f.forget_at > app.now()
                  and f.replaced_at <= (i.facts ->> 'entered_at')::timestamptz) as is_kept
  from incident i
 where i.credential_id = any ($1) and i.status <> 'resolved' and i.recovered_at is null
   and i.drill is null and i.facts ? 'met'
 order by i.credential_id, i.opened_at desc
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whose the evaluator says that it is, whose the answers said (`met`), and when a secret was
    entered, where that is blamed; `is_kept`, that the one before it can be brought back."""

    whose: Whose
    met: str
    entered_at: datetime | None
    is_kept: bool

    @property
    def cure(self) -> str:
        if self.entered_at is None:
            return "Enter no new keys: others' are refused as well, and many do not expire at once"
        at = f"{self.entered_at:%Y-%m-%d %H:%M} UTC"
        if self.is_kept:
            return (
                f"Bring the former one back, on the incident’s page or by mentalspace credential"
                f" bring-back: nothing has gone well with what was entered at {at}, its address or"
                " its secret"
            )
        return (
            f"Look at what was entered at {at}, its address as well as its secret, and enter both"
            " again: nothing has gone well with it"
        )


async def read_judged(connection: Connection, credential_ids: Sequence[UUID]) -> dict[UUID, Judged]:
    """Of those whose incident says otherwise than its tries. Runs as on-call."""
    rows = await connection.fetch(_READ, list(credential_ids))
    return {row["credential_id"]: _judged(row) for row in rows}


def as_judged(found: RoomFinding, judged: Judged | None) -> RoomFinding:
    """The same finding, told as whose the incident is."""
    if judged is None or found.whose != judged.met or found.check not in _OF_ANSWERS:
        return found
    cure = judged.cure if found.check == "provider" else found.cure
    return replace(found, whose=judged.whose, cure=cure)


def _judged(row: Any) -> Judged:
    facts = row["facts"]
    entered = facts.get("entered_at")
    return Judged(
        "theirs" if row["fault"] == "theirs" else "ours",
        facts["met"],
        datetime.fromisoformat(entered) if entered else None,
        row["is_kept"],
    )
