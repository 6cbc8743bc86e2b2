"""What a credential stood with before it was entered anew: kept sealed for a week, for whoever is
called and has no secret to enter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import SealBroken, Vault

KEPT_DAYS = 7
_PURPOSE = "credential"

# Whoever replaces it waits here for whoever is doing so. What was tried before it was entered, and
# taken only afterwards, says nothing of it.
_IN_USE = """
select c.id, c.practice_id, c.base_url, c.live, c.test_only, c.secrets, c.entered_by, c.version,
       coalesce(c.rotated_at, c.created_at) as entered_at,
       c.went_well or exists (
         select from attempt a
          where a.credential_id = c.id and a.state = 'succeeded'
            and a.finished_at > coalesce(c.rotated_at, c.created_at)
            and a.started_at > coalesce(c.rotated_at, c.created_at)) as went_well
  from credential c
 where c.integration = $1 and c.endpoint = $2 and c.drill is null for update of c
"""
# What never went well takes nobody's place: a second mistake would wipe the last that worked.
_KEEP = f"""
insert into credential_former as f
       (credential_id, practice_id, base_url, live, test_only, secrets, entered_at, entered_by,
        went_well, replaced_at, forget_at)
select c.id, $2, $3, $4, $5, $6, $7, $8, $9, c.rotated_at,
       c.rotated_at + interval '{KEPT_DAYS} days'
  from credential c where c.id = $1
on conflict (credential_id) do update set
  base_url = excluded.base_url, live = excluded.live, test_only = excluded.test_only,
  secrets = excluded.secrets, entered_at = excluded.entered_at, entered_by = excluded.entered_by,
  went_well = excluded.went_well, replaced_at = excluded.replaced_at,
  forget_at = excluded.forget_at, answered_at = null, good = null
where $10 or excluded.went_well or f.forget_at <= app.now()
"""
_FORMER = """
select f.credential_id, f.practice_id, f.base_url, f.live, f.test_only, f.entered_at, f.entered_by,
       f.went_well, f.replaced_at, f.forget_at, f.answered_at, f.good
  from credential_former f join credential c on c.id = f.credential_id and c.active
 where f.credential_id = $1 and f.forget_at > app.now()
"""


@dataclass(frozen=True, slots=True)
class Former:
    """Without its secrets. `good` is how its provider last answered it, None if it was not asked;
    `went_well` that something was taken while it was in use."""

    credential_id: UUID
    practice_id: UUID
    base_url: str
    live: bool
    test_only: bool
    entered_at: datetime
    entered_by: str | None
    went_well: bool
    replaced_at: datetime
    forget_at: datetime
    answered_at: datetime | None
    good: bool | None


@dataclass(frozen=True, slots=True)
class InUse:
    """What is about to be replaced. `secrets` is None of what no known key opens."""

    id: UUID
    practice_id: UUID
    base_url: str
    live: bool
    test_only: bool
    secrets: Mapping[str, str] | None = field(repr=False)
    entered_at: datetime
    entered_by: str | None
    went_well: bool
    version: int


@dataclass(frozen=True, slots=True)
class Differs:
    """What of one is another in the next: names of fields, and of the address the hosts alone."""

    fields: tuple[str, ...]
    host_before: str
    host: str
    address: bool

    def __bool__(self) -> bool:
        return bool(self.fields) or self.address

    @property
    def what(self) -> str:
        """`secret`, `address` or `secret and address`."""
        return " and ".join(
            name for name, is_it in (("secret", self.fields), ("address", self.address)) if is_it
        )

    @property
    def words(self) -> str:
        """`api_key; the address from api.twilio.com to twilio.example`"""
        said = [", ".join(self.fields)] if self.fields else []
        if self.address and self.host == self.host_before:
            said.append(f"the address, still at {self.host}: another port or path")
        elif self.address:
            said.append(f"the address from {self.host_before} to {self.host}")
        return "; ".join(said)


async def read_in_use(
    owner: asyncpg.Connection[Any] | Connection, vault: Vault, integration: str, endpoint: str
) -> InUse | None:
    """As the owner, who holds the row until the transaction ends; None of a drill's, or of none."""
    row = await owner.fetchrow(_IN_USE, integration, endpoint)
    if row is None:
        return None
    opened = _opened(vault, row["practice_id"], row["secrets"])
    return InUse(**{**dict(row), "secrets": opened})


def differs(
    before_url: str, before: Mapping[str, str] | None, base_url: str, secrets: Mapping[str, str]
) -> Differs:
    """What cannot be opened, None, is taken to be another in each field."""
    known = before or {}
    names = [name for name in {**known, **secrets} if known.get(name) != secrets.get(name)]
    return Differs(tuple(names), host_of(before_url), host_of(base_url), before_url != base_url)


async def keep_former(
    owner: asyncpg.Connection[Any] | Connection,
    vault: Vault,
    before: InUse,
    base_url: str,
    secrets: Mapping[str, str],
    *,
    whatever: bool,
) -> None:
    """After it was replaced by these, in the same transaction. What never went well does not
    displace what is kept, unless `whatever` it is, or what is kept is entered again."""
    if before.secrets is None:
        return
    kept = await owner.fetchrow(
        "select base_url, secrets from credential_former where credential_id = $1", before.id
    )
    if kept is not None and kept["base_url"] == base_url:
        whatever = whatever or _opened(vault, before.practice_id, kept["secrets"]) == dict(secrets)
    sealed = vault.seal(before.practice_id, _PURPOSE, json.dumps(dict(before.secrets)).encode())
    await owner.execute(
        _KEEP,
        before.id,
        before.practice_id,
        before.base_url,
        before.live,
        before.test_only,
        sealed,
        before.entered_at,
        before.entered_by,
        before.went_well,
        whatever,
    )


async def forget_former(
    connection: asyncpg.Connection[Any] | Connection, credential_id: UUID
) -> bool:
    """Wipe what is kept, if anything is; whether there was."""
    gone = await connection.fetchval(
        "delete from credential_former where credential_id = $1 returning true", credential_id
    )
    return bool(gone)


async def read_former(connection: Connection, credential_id: UUID | None) -> Former | None:
    """As on-call: what is kept of it and may be brought back, if anything is."""
    row = await connection.fetchrow(_FORMER, credential_id)
    return None if row is None else Former(**dict(row))


async def open_former(
    connection: asyncpg.Connection[Any] | Connection, vault: Vault, former: Former
) -> dict[str, str] | None:
    """Its secrets, as a worker of its practice or as the owner; None once it is forgotten or
    another stands in its place. Raises SealBroken."""
    sealed = await connection.fetchval(
        "select secrets from credential_former"
        " where credential_id = $1 and replaced_at = $2 and forget_at > app.now()",
        former.credential_id,
        former.replaced_at,
    )
    if sealed is None:
        return None
    opened: dict[str, str] = json.loads(vault.open(former.practice_id, _PURPOSE, sealed))
    return opened


async def note_answer(connection: Connection, former: Former, *, good: bool) -> None:
    """How its provider answered it just now, for whoever reads a page that does not ask. As a
    worker of its practice."""
    await connection.execute(
        "update credential_former set answered_at = app.now(), good = $3"
        " where credential_id = $1 and replaced_at = $2",
        former.credential_id,
        former.replaced_at,
        good,
    )


def _opened(vault: Vault, practice_id: UUID, sealed: bytes) -> dict[str, str] | None:
    try:
        opened: dict[str, str] = json.loads(vault.open(practice_id, _PURPOSE, sealed))
    except SealBroken:
        return None
    return opened


def host_of(base_url: str) -> str:
    """Of an address nothing but its host: what else stands in it may be private."""
    try:
        return urlsplit(base_url).hostname or "no host"
    except ValueError:
        return "what is no address"
