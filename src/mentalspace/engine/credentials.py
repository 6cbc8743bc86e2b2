"""A practice's credentials: stored encrypted, rotated without loss, with their lanes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from mentalspace.engine.db import Connection
from mentalspace.engine.former import differs, forget_former, keep_former, read_in_use
from mentalspace.engine.ledger import record
from mentalspace.engine.queued import RESTS
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.integration import Provider

_SAVE = """
insert into credential (practice_id, integration, provider, endpoint, base_url, live, secrets,
                        rate_per_s, burst, drill, test_only, demands_agreement, rank,
                        fail_over_after_s, follows, looks_up_numbers, entered_by, went_well)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
on conflict (integration, endpoint) do update set
  base_url = excluded.base_url, live = excluded.live, secrets = excluded.secrets,
  rate_per_s = excluded.rate_per_s, burst = excluded.burst, active = true,
  follows = excluded.follows, test_only = excluded.test_only,
  entered_by = excluded.entered_by, went_well = excluded.went_well,
  demands_agreement = excluded.demands_agreement,
  version = credential.version + 1, rotated_at = app.now()
where credential.practice_id = excluded.practice_id and credential.provider = excluded.provider
returning id
"""
# What waits longer after each failure goes now: what it failed by has been changed. Neither what
# rests until its hours begin, nor what nobody knows whether it left.
_TRY_NOW = f"""
update delivery set next_attempt_at = app.now() where id in (
  select d.id from delivery d
   where d.credential_id = $1 and d.status = 'pending' and d.due_at <= app.now()
     and d.next_attempt_at > app.now() and not {RESTS} for update skip locked)
"""
_PROBE_NOW = """
update credential_state set open_until = least(open_until, clock_timestamp())
 where credential_id = $1 and breaker = 'open'
"""


@dataclass(frozen=True, slots=True)
class NewCredential:
    """`test_only` lets nothing through but what reaches the provider's test recipients.
    `demands_agreement` is for drills: it is held to an agreement as a live one is.

    `rank` is its place among the practice's credentials for the integration, and
    `fail_over_after_s` how long it may be out before the next has what waits. `looks_up_numbers`
    lets its provider be asked, for a price, what kind of line a number is. All three are for a new
    one: a rotation leaves them as they are. `resumes`: lanes that the runbook had stopped run
    again; those that a person paused wait for a person.

    `entered_by` is whoever enters it, in a person's words. What it replaces is kept as the former
    one for a week, unless `has_leaked`. `is_former` is what is brought back: what it replaces is
    kept whatever became of it, and `went_well` says what was known of it.
    """

    practice_id: UUID
    integration: str
    endpoint: str
    base_url: str
    live: bool
    secrets: Mapping[str, str] = field(repr=False)
    drill: str | None = None
    test_only: bool = False
    demands_agreement: bool = False
    rank: int = 1
    fail_over_after_s: float = 60.0
    looks_up_numbers: bool = False
    resumes: bool = True
    entered_by: str | None = None
    has_leaked: bool = False
    is_former: bool = False
    went_well: bool = False


async def save_credential(
    owner: asyncpg.Connection[Any] | Connection,
    vault: Vault,
    provider: Provider,
    new: NewCredential,
) -> UUID:
    """Store or replace what the endpoint's name stands for, and open its lanes.

    Runs on the owner's connection: no role of the application may write a credential. Raises
    Refused for a live address that is not encrypted: what is sent there names clients; and for
    secrets that are for tests at a live address, where nobody knows them. Raises it too when
    the endpoint's name is another practice's or another provider's.
    """
    if new.live and provider.is_for_tests(new.secrets):
        raise Refused("test_key", f"{provider.title} itself knows no test key; give a real one")
    if new.live and urlsplit(new.base_url).scheme not in provider.encrypted:
        known = " or ".join(provider.encrypted)
        raise Refused("not_encrypted", f"a provider beyond this machine is reached by {known} only")
    before = await read_in_use(owner, vault, new.integration, new.endpoint)
    is_other = before is not None and bool(
        differs(before.base_url, before.secrets, new.base_url, new.secrets)
    )
    credential_id: UUID | None = await owner.fetchval(
        _SAVE,
        new.practice_id,
        new.integration,
        provider.name,
        new.endpoint,
        new.base_url,
        new.live,
        vault.seal(new.practice_id, "credential", json.dumps(dict(new.secrets)).encode()),
        provider.rate.per_s,
        provider.rate.burst,
        new.drill,
        new.test_only or provider.is_for_tests(new.secrets),
        new.demands_agreement,
        new.rank,
        new.fail_over_after_s,
        provider.follows,
        new.looks_up_numbers,
        new.entered_by,
        new.went_well or (before is not None and not is_other and before.went_well),
    )
    if credential_id is None:
        raise Refused("endpoint_taken", f"the endpoint {new.endpoint!r} is somebody else's")
    if new.has_leaked:
        await forget_former(owner, credential_id)
    elif before is not None and is_other:
        await keep_former(owner, vault, before, new.base_url, new.secrets, whatever=new.is_former)
    await owner.execute(
        "insert into credential_state (credential_id, practice_id) values ($1, $2)"
        " on conflict do nothing",
        credential_id,
        new.practice_id,
    )
    for lane_class in ("interactive", "bulk"):
        await owner.execute(
            "insert into lane (practice_id, credential_id, integration, provider, class)"
            " values ($1, $2, $3, $4, $5) on conflict do nothing",
            new.practice_id,
            credential_id,
            new.integration,
            provider.name,
            lane_class,
        )
    if new.resumes:
        await _resume(owner, credential_id, new)
    return credential_id


async def set_test_only(
    owner: asyncpg.Connection[Any] | Connection, integration: str, endpoint: str, test_only: bool
) -> bool:
    """Let only tests through, or everything; False if there is no such endpoint."""
    found = await owner.fetchval(
        "update credential set test_only = $3 where integration = $1 and endpoint = $2"
        " returning true",
        integration,
        endpoint,
        test_only,
    )
    return bool(found)


async def set_look_up(
    owner: asyncpg.Connection[Any] | Connection, integration: str, endpoint: str, look_up: bool
) -> bool:
    """Let the provider be asked what kind of line a number is, or not; False if there is no such
    endpoint."""
    found = await owner.fetchval(
        "update credential set looks_up_numbers = $3 where integration = $1 and endpoint = $2"
        " returning true",
        integration,
        endpoint,
        look_up,
    )
    return bool(found)


async def set_order(
    owner: asyncpg.Connection[Any] | Connection,
    practice_id: UUID,
    integration: str,
    endpoints: Sequence[str],
    after_s: float | None,
) -> list[str]:
    """Rank these first, the practice's others for the integration after them as they were.

    `after_s` is how long each may be out; None leaves it. Gives all of them in their new order.
    """
    rows = await owner.fetch(
        "select endpoint from credential where practice_id = $1 and integration = $2"
        " and active and drill is null order by rank, created_at",
        practice_id,
        integration,
    )
    known = [row["endpoint"] for row in rows]
    ordered = [e for e in dict.fromkeys(endpoints) if e in known]
    ordered += [e for e in known if e not in ordered]
    for rank, endpoint in enumerate(ordered, start=1):
        await owner.execute(
            "update credential set rank = $3,"
            " fail_over_after_s = coalesce($4, fail_over_after_s)"
            " where integration = $1 and endpoint = $2",
            integration,
            endpoint,
            rank,
            after_s,
        )
    return ordered


async def read_secrets(
    owner: asyncpg.Connection[Any] | Connection, vault: Vault, integration: str, endpoint: str
) -> dict[str, str] | None:
    """The stored secrets of an endpoint, or None if there is none."""
    row = await owner.fetchrow(
        "select practice_id, secrets from credential where integration = $1 and endpoint = $2",
        integration,
        endpoint,
    )
    if row is None:
        return None
    secrets: dict[str, str] = json.loads(
        vault.open(row["practice_id"], "credential", row["secrets"])
    )
    return secrets


async def key_fits(owner: asyncpg.Connection[Any] | Connection, vault: Vault) -> bool:
    """Whether the vault's key is the one that sealed this database; true of an empty one."""
    if not await owner.fetchval("select to_regclass('public.credential') is not null"):
        return True
    rows = await owner.fetch(
        "select practice_id, secrets from credential where active"
        " order by coalesce(rotated_at, created_at) desc limit 20"
    )
    return not rows or any(_opens(vault, row) for row in rows)


def _opens(vault: Vault, row: Any) -> bool:
    try:
        vault.open(row["practice_id"], "credential", row["secrets"])
    except SealBroken:
        return False
    return True


async def _resume(
    owner: asyncpg.Connection[Any] | Connection, credential_id: UUID, new: NewCredential
) -> None:
    """What waited for another credential waits no longer, and a breaker tries it at once."""
    await owner.execute(_PROBE_NOW, credential_id)
    await owner.execute(_TRY_NOW, credential_id)
    lanes = await owner.fetch(
        "update lane set state = 'open', paused_at = null, paused_until = null,"
        " paused_case = null, paused_by = null, paused_for_phi = false"
        " where credential_id = $1 and state = 'paused'"
        " and coalesce(paused_by, 'runbook') = 'runbook' returning id",
        credential_id,
    )
    for lane in lanes:
        await record(
            owner,
            "lane_resumed",
            practice_id=new.practice_id,
            lane_id=lane["id"],
            data={"because": "the credential was replaced"},
            drill=new.drill,
        )
