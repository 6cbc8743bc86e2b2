"""Makes a practice's history, or extends it by the clients that are missing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Evidence, Refused
from mentalspace.practice.tenancy import Owner
from mentalspace.workflows.appointments import mail_desk
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.demo_history.cast import client_of, marked
from mentalspace.workflows.demo_history.fate import (
    STRANGE,
    STRANGE_OF_TEXTS,
    TEXTS_TOO_FAST,
    UNAVAILABLE,
    Setting,
)
from mentalspace.workflows.demo_history.place import find_practice, make_practice
from mentalspace.workflows.demo_history.rows import Rows
from mentalspace.workflows.demo_history.scribe import Scribe
from mentalspace.workflows.sandbox_keeping import SandboxAway, keep_sandbox

MOST_CLIENTS = 100_000

_PRACTICE = """
select p.slug, p.name, p.phone, p.timezone, coalesce(r.leads_min, '{1440}') as leads_min,
       coalesce(r.revision, 0) as rules_revision,
       coalesce(r.cancel_before_h, 24) as cancel_before_h,
       (select coalesce(jsonb_object_agg(t.language, t.note), '{}') from practice_text t
         where t.practice_id = p.id) as notes
  from practice p left join reminder_policy r on r.practice_id = p.id where p.id = $1
"""
_LANES = """
select l.class, l.id, l.credential_id, l.provider from lane l where l.credential_id = (
  select id from credential where practice_id = $1 and integration = $2 and active
     and drill is null order by rank, created_at limit 1)
"""
_KNOWN = "select external_id from client where practice_id = $1 and starts_with(external_id, $2)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many clients from which seed, in the practice of that slug, else the default one;
    `trouble` leaves some mails in flight and in need."""

    clients: int
    seed: int
    practice: str | None = None
    trouble: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What was added: nothing, where all of it was there already. `waiting` mails are still to
    be sent, or decided on."""

    practice: str
    clients: int
    appointments: int
    mails: int
    waiting: int


async def make_history(
    services: Services, owner: Owner, wanted: Wanted, *, password: str, now: datetime
) -> Made:
    """All of the history or none. Raises Refused in production, where nobody is made up.

    `password` is for the people of a practice that has to be made.
    """
    if services.settings.is_production:
        raise Refused("production", "production has real people; make a practice up in a demo")
    if not 1 <= wanted.clients <= MOST_CLIENTS:
        raise Refused("size", f"give 1 to {MOST_CLIENTS} clients")
    practice_id = await find_practice(owner, wanted.practice)
    if practice_id is None:
        slug = wanted.practice or "default"
        practice_id = await make_practice(services, owner, slug, wanted.seed, password)
        with suppress(SandboxAway):  # then the worker tells it, in a while
            await keep_sandbox(services)
    async with owner.transaction():
        # Two at a time would both make what is missing.
        await owner.execute("select pg_advisory_xact_lock(hashtext($1))", f"demo/{practice_id}")
        scribe = await _scribe(services, owner, practice_id, wanted.seed, now)
        mark = marked(wanted.seed)
        known = {row["external_id"] for row in await owner.fetch(_KNOWN, practice_id, mark)}
        people = (client_of(scribe.slug, wanted.seed, number) for number in range(wanted.clients))
        missing = [one for one in people if one.external_id not in known]
        with _nothing_is_garbage():
            scribe.write(missing, wanted.trouble)
        await scribe.rows.write(owner)
    rows = scribe.rows
    return Made(
        scribe.slug,
        len(rows.clients),
        len(rows.appointments),
        len(rows.deliveries),
        rows.count_waiting(),
    )


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """All that is made is kept: looking through it for garbage takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _scribe(
    services: Services, owner: Owner, practice_id: UUID, seed: int, now: datetime
) -> Scribe:
    practice = await owner.fetchrow(_PRACTICE, practice_id)
    mails = await _setting(services, owner, practice_id, "email", (UNAVAILABLE, STRANGE))
    texts = await _setting(services, owner, practice_id, "sms", (TEXTS_TOO_FAST, STRANGE_OF_TEXTS))
    if practice is None or mails is None:
        raise Refused("no_credential", "the practice has no e-mail credential to send with")
    desk = replace(mail_desk(services, system_claims(practice_id)), now=now)
    return Scribe(mails, texts, practice, desk, seed, Rows(mails, now))


async def _setting(
    services: Services,
    owner: Owner,
    practice_id: UUID,
    room: str,
    met: tuple[Evidence, Evidence],
) -> Setting | None:
    """None where the practice has no credential for it. `met` is what is busy, and strange."""
    lanes = await owner.fetch(_LANES, practice_id, room)
    if not lanes:
        return None
    provider = services.rooms[room].provider(lanes[0]["provider"])
    return Setting(
        practice_id=practice_id,
        integration=room,
        credential_id=lanes[0]["credential_id"],
        lanes={row["class"]: row["id"] for row in lanes},
        cases=services.runbooks.room(room).cases_for(provider.name),
        deadline_s=provider.deadline_s,
        busy=met[0],
        strange=met[1],
    )
