"""A credential’s refused callbacks: how many, why, and what becomes of what they told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.person import PERSON
from mentalspace.engine.silence import ASK_AFTER_S, MOST_QUESTIONS
from mentalspace.kernel.integration import Provider
from mentalspace.workflows.doctor.touched import COMING

# From when a provider took a message until the last question about it.
ASKED_FOR_S = sum(ASK_AFTER_S * 2**number for number in range(MOST_QUESTIONS))
# Of a refusal `r`: no callback was taken since.
_LASTS = """
r.last_at > coalesce(
   (select max(received_at) from inbox where credential_id = r.credential_id), '-infinity')
"""
_READ = f"""
select r.refused, r.code, r.since, r.last_at, n.*
  from hook_refusal r
 cross join lateral (
   select count(*) as unheard, count(distinct {PERSON}) as people,
          min(a.starts_at) as appointment_at,
          count(*) filter (where d.ask_at is not null) as to_ask, min(d.ask_at) as next_at
     from delivery d {COMING}
    where d.credential_id = r.credential_id and d.status = 'accepted' and d.drill is null
      and d.accepted_at > app.now() - interval '7 days') n
 where r.credential_id = $1 and {_LASTS}
"""
_REFUSING = f"select r.credential_id from hook_refusal r where {_LASTS}"
_WHY: Mapping[str, str] = MappingProxyType(
    {
        "signature": "their signature does not verify: the secret that signs them differs from the"
        " one entered here",
        "timestamp": "they are too old or too new: compare this host’s clock",
        "header": "the headers that sign them are missing: a proxy takes them away, or it is"
        " not the provider that calls",
        "body": "their body cannot be read",
    }
)


@dataclass(frozen=True, slots=True)
class RefusedHooks:
    """None was taken since. `fields` are the names of the secrets that sign callbacks; of the
    messages taken and not spoken of, to so many `people`, `to_ask` are asked after, the first at
    `next_at`; `appointment_at` is the first that one of them is about."""

    refused: int
    why: str
    by_secret: bool
    since: datetime
    last_at: datetime
    fields: Sequence[str]
    unheard: int
    people: int
    appointment_at: datetime | None
    to_ask: int
    next_at: datetime | None
    asked_for_s: float = ASKED_FOR_S
    questions: int = MOST_QUESTIONS


async def read_refused(
    connection: Connection, credential_id: UUID | None, provider: Provider | None
) -> RefusedHooks | None:
    """None where the last callback held, or none came. As on-call."""
    row: Any = None
    if credential_id is not None and provider is not None:
        row = await connection.fetchrow(_READ, credential_id)
    if row is None or provider is None:
        return None
    return RefusedHooks(
        refused=row["refused"],
        why=_WHY.get(row["code"], "they cannot be read"),
        by_secret=row["code"] == "signature",
        since=row["since"],
        last_at=row["last_at"],
        fields=[field.name for field in provider.credential_fields if field.signs],
        unheard=row["unheard"],
        people=row["people"],
        appointment_at=row["appointment_at"],
        to_ask=row["to_ask"],
        next_at=row["next_at"],
    )


async def read_refusing(connection: Connection) -> set[UUID]:
    """The credentials whose last callback was refused. As on-call."""
    rows = await connection.fetch(_REFUSING)
    return {row["credential_id"] for row in rows}
