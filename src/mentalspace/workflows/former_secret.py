"""Brings back what a credential stood with before: its provider is asked with it first, and what it
replaces is kept in its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.credentials import NewCredential
from mentalspace.engine.db import connect_owner
from mentalspace.engine.former import (
    Differs,
    Former,
    differs,
    forget_former,
    host_of,
    note_answer,
    open_former,
    read_former,
    read_in_use,
)
from mentalspace.engine.ledger import record
from mentalspace.engine.outbound import open_client
from mentalspace.engine.remedy import Standing, read_credential, read_standing
from mentalspace.engine.remedy.act import reason_of
from mentalspace.engine.secrets import SealBroken
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.integration import Provider
from mentalspace.practice.audit import note
from mentalspace.practice.tenancy import store
from mentalspace.workflows.doctor.credentials import ask, finding
from mentalspace.workflows.doctor.report import RoomFinding
from mentalspace.workflows.doctor.witness import WITHIN_S
from mentalspace.workflows.former_words import what_it_would_do
from mentalspace.workflows.secret_entry import is_told

ACT = "bring_back"
TITLE = "Bring back the former one"
BROUGHT_BACK = "The former one brought back"
_CLOSED = "The incident is closed."
_GONE = "no former one is kept: none was replaced within a week, or it is forgotten"

_ONE = """
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.base_url, c.live, c.version,
       c.test_only, c.entered_by
  from credential c where c.id = $1 and c.active and c.drill is null
"""
_OPEN_INCIDENT = """
select id from incident where credential_id = $1 and status <> 'resolved' and drill is null
 order by opened_at desc limit 1
"""
_DUE = "select distinct practice_id from credential_former where forget_at <= app.now()"
_WIPE = "delete from credential_former where forget_at <= app.now() returning credential_id"


@dataclass(frozen=True, slots=True)
class Look:
    """What bringing it back would do now. `version` is of what is in use: whoever presses has seen
    that one. `refusal` says why not, and then nothing else counts. `well` says how its provider
    answered; of what it answered badly a person says that it is to be used all the same."""

    former: Former | None
    version: int
    refusal: str | None
    would: tuple[str, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    well: bool = False
    title: str = TITLE
    name: str = ACT


@dataclass(frozen=True, slots=True)
class Wish:
    """`who` stands in the timeline, `actor` in the audit; `claims` are of a person who has signed
    in. `untried`: it may be used though its provider does not answer it well."""

    who: str
    actor: str
    reason: str
    version: int = 0
    untried: bool = False
    incident_id: UUID | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)


async def look_at_former(
    services: Services, credential_id: UUID, incident_id: UUID | None = None
) -> Look:
    """Asks its provider; nothing else changes. Raises Refused where no such credential is."""
    row, former = await _read(services, credential_id)
    standing = await _standing(services, credential_id, incident_id)
    if former is None:
        return Look(None, row["version"], f"{_GONE[0].upper()}{_GONE[1:]}.")
    if standing.resolved:
        return Look(former, row["version"], _CLOSED)
    try:
        changed = await _changed(services, row, former)
    except SealBroken:
        return Look(former, row["version"], "It cannot be opened with today’s master key.")
    found = await ask_former(services, row, former)
    provider = services.rooms[row["integration"]].provider(row["provider"])
    return Look(
        former,
        row["version"],
        None,
        what_it_would_do(
            row, former, standing, provider.title, changed, found, goes=_is_told(provider, changed)
        ),
        {name: getattr(standing, name) for name in ("waiting", "people", "resting", "useless")},
        found.state == "good",
    )


async def ask_former(services: Services, row: Any, former: Former) -> RoomFinding:
    """One harmless question with it, at its own address; the answer is kept for whoever reads a
    page that does not ask. Its words say nothing of the address but the host."""
    try:
        found = await _ask(services, {**dict(row), "base_url": host_of(former.base_url)}, former)
    except (Refused, SealBroken, LookupError, ValueError) as error:
        text = str(error) if isinstance(error, Refused) else "it cannot be asked as it is kept"
        found = finding(row, "former", "bad", text, "ours")
    async with services.database.as_worker(former.practice_id) as connection:
        await note_answer(connection, former, good=found.state == "good")
    return found


async def bring_back(services: Services, credential_id: UUID, wish: Wish) -> int:
    """It is in use again, and what it replaces is the former one; how many messages wait and may
    leave. Raises Refused, and then nothing has changed: if none is kept, if another was entered
    since the person looked, or if its provider does not answer it well."""
    reason = reason_of(wish.reason, needed=True)
    row, former = await _read(services, credential_id)
    if former is None:
        raise Refused("no_former", _GONE)
    _still(row["version"], wish.version)
    found = await ask_former(services, row, former)
    if found.state != "good" and not wish.untried:
        raise Refused("not_tried", f"{found.text}; tick the box to bring it back all the same")
    standing = await _standing(services, credential_id, wish.incident_id)
    if standing.resolved:
        raise Refused("not_now", _CLOSED)
    async with as_owner(services, wish.claims) as owner:
        await _exchange(services, owner, row, former, wish, reason)
        await tell(owner, row, wish, ACT, BROUGHT_BACK, reason)
    return standing.waiting


async def forget(services: Services, credential_id: UUID, wish: Wish) -> None:
    """Wipe what is kept now, for good. Raises Refused if nothing is, or no longer the same."""
    reason = reason_of(wish.reason, needed=True)
    row, _former = await _read(services, credential_id)
    _still(row["version"], wish.version)
    async with as_owner(services, wish.claims) as owner:
        if not await forget_former(owner, credential_id):
            raise Refused("no_former", _GONE)
        await tell(owner, row, wish, "forget_former", "The former one forgotten", reason)


async def forget_due(services: Services) -> int:
    """Wipe all whose time is over; how many. May run anywhere, at any time."""
    async with services.database.as_dispatcher() as connection:
        practices = [row["practice_id"] for row in await connection.fetch(_DUE)]
    wiped = 0
    for practice_id in practices:
        async with services.database.as_worker(practice_id) as connection:
            for row in await connection.fetch(_WIPE):
                wiped += 1
                await note(
                    connection,
                    "system",
                    "former_secret_forgotten",
                    practice_id=practice_id,
                    subject=row["credential_id"],
                )
    return wiped


async def _read(services: Services, credential_id: UUID) -> tuple[Any, Former | None]:
    async with services.database.as_oncall() as connection:
        row = await connection.fetchrow(_ONE, credential_id)
        if row is None:
            raise Refused("no_such_credential", "there is no such credential any more")
        return row, await read_former(connection, credential_id)


async def _standing(services: Services, credential_id: UUID, incident_id: UUID | None) -> Standing:
    async with services.database.as_oncall() as connection:
        found = await read_standing(connection, incident_id) if incident_id else None
        found = found or await read_credential(connection, credential_id)
    assert found is not None, "the credential was there a moment ago"
    return found


async def _changed(services: Services, row: Any, former: Former) -> Differs:
    """From what is in use to what is kept. Raises SealBroken if that cannot be opened; what is in
    use may be what no key opens."""
    async with services.database.as_worker(row["practice_id"]) as connection:
        secrets = await open_former(connection, services.vault, former)
        sealed = await connection.fetchval(
            "select secrets from credential where id = $1", row["id"]
        )
    try:
        in_use = json.loads(services.vault.open(row["practice_id"], "credential", sealed))
    except SealBroken:
        in_use = None
    return differs(row["base_url"], in_use, former.base_url, secrets or {})


async def _ask(services: Services, row: Mapping[str, Any], former: Former) -> RoomFinding:
    site = services.settings.site_url
    try:
        async with asyncio.timeout(WITHIN_S), open_client(live=former.live) as client:
            known = services.database, services.vault, services.rooms, {former.live: client}, site
            adapter = await Adapters(*known).of_former(former)
            if adapter is None:
                raise Refused("no_former", _GONE)
            return await ask(services, adapter, row)
    except TimeoutError:
        return finding(row, "former", "bad", f"no answer within {WITHIN_S:.0f} s", "theirs")


async def _exchange(
    services: Services,
    owner: asyncpg.Connection[Any],
    row: Any,
    former: Former,
    wish: Wish,
    reason: str,
) -> None:
    """In one transaction, which holds the credential: of two who press at once the second is told
    that it is done."""
    provider = services.rooms[row["integration"]].provider(row["provider"])
    in_use = await read_in_use(owner, services.vault, row["integration"], row["endpoint"])
    _still(in_use.version if in_use else None, wish.version)
    assert in_use is not None, "its version is none otherwise"
    secrets = await open_former(owner, services.vault, former)
    if secrets is None:
        raise Refused("no_former", _GONE)
    changed = differs(in_use.base_url, in_use.secrets, former.base_url, secrets)
    new = NewCredential(
        row["practice_id"],
        row["integration"],
        row["endpoint"],
        former.base_url,
        former.live,
        secrets,
        test_only=former.test_only,
        resumes=_is_told(provider, changed),
        is_former=True,
        went_well=former.went_well,
    )
    kept = services.vault, provider, new, services.settings
    await store(owner, *kept, actor=wish.actor, name=wish.who, why=reason)


def _is_told(provider: Provider, changed: Differs) -> bool:
    """Whether the provider sees what differs when it is asked, and what waits may leave by it."""
    named = [field for field in provider.credential_fields if field.name in changed.fields]
    return changed.address or any(is_told(field) for field in named)


def _still(version: int | None, seen: int) -> None:
    if version != seen:
        text = "somebody has entered another meanwhile, or has brought it back already; look again"
        raise Refused("not_now", text)


@asynccontextmanager
async def as_owner(
    services: Services, claims: Mapping[str, Any]
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """One transaction of the owner, in which the audit knows who asked for it."""
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        said = json.dumps(dict(claims))
        await owner.execute("select set_config('request.jwt.claims', $1, true)", said)
        yield owner


async def tell(
    owner: asyncpg.Connection[Any], row: Any, wish: Wish, act: str, title: str, reason: str
) -> None:
    """In the timeline of the incident, or of the one that is open over it; without one beside its
    lanes."""
    incident_id = wish.incident_id or await owner.fetchval(_OPEN_INCIDENT, row["id"])
    lane_id = None
    if incident_id is None:
        lane_id = await owner.fetchval(
            "select id from lane where credential_id = $1 order by class desc limit 1", row["id"]
        )
    await record(
        owner,
        "acted",
        practice_id=row["practice_id"],
        incident_id=incident_id,
        lane_id=lane_id,
        data={"act": act, "title": title, "reason": reason, "minutes": None},
        actor=wish.who,
    )
