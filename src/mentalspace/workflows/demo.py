"""The demo: two practices with people, a calendar, and a day that goes on by itself."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.kernel.integration import Integration
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.settings import Settings
from mentalspace.practice.appointment import NewAppointment
from mentalspace.practice.tenancy import (
    Owner,
    endpoint_of,
    ensure_practice,
    rank_of,
    sandbox_address,
)
from mentalspace.workflows.appointments import AppointmentExists, book
from mentalspace.workflows.demo_texts import agree_to_texts, phone_of, zone_of

# A practice's first appointments come one a turn: something to watch. After these they come
# seldom, so that it can be left running, yet often enough to notice when a provider breaks;
# then one a turn again, until nothing waits for a second try.
BRISK_APPOINTMENTS = 200
SELDOM_S = 20.0

_PACE = """
select count(*) as known,
       count(*) < $1 or coalesce(max(created_at) < app.now() - $2 * interval '1 s', true)
         or exists(select from delivery where attempts > 0 and drill is null
                     and status in ('pending', 'due', 'sending', 'unknown')) as wanted
  from appointment
"""


@dataclass(frozen=True, slots=True)
class DemoPractice:
    slug: str
    name: str
    timezone: str
    phone: str
    is_default: bool
    own: Mapping[str, str] = field(default_factory=dict)  # instead of the usual, by field


DEMO_PRACTICES = (
    DemoPractice("lakeside", "Lakeside Counseling", "America/New_York", "+1 555 0100", True),
    DemoPractice(
        "mesa",
        "Mesa Family Practice",
        "America/Phoenix",
        "+1 555 0101",
        False,
        {"phone_number": "+16025550100"},
    ),
)
# (local part, name, role); the on-call engineer belongs to the operator and sees every practice
DEMO_PEOPLE = (
    ("admin", "Ada Moreno", "administrator"),
    ("oncall", "Noor Haddad", "oncall"),
    ("frontdesk", "Sam Whitfield", "front_desk"),
    ("clinician", "Dr. Imani Okafor", "clinician"),
    ("biller", "Lee Castellano", "biller"),
)
_FIRST = "Alma Ben Cleo Dario Edie Femi Greta Hugo Iris Jonah Kaia Luis Mina Nico Opal".split()
_LAST = "Abara Brandt Cho Duarte Ellis Farrow Gupta Holm Ibarra Jensen Keane Lund".split()

MakeUser = Callable[[Owner, str, str, str, str, UUID | None], Awaitable[None]]


async def seed_demo(
    owner: Owner,
    vault: Vault,
    rooms: Mapping[str, Integration],
    settings: Settings,
    make_user: MakeUser,
    password: str,
) -> None:
    """Practices, credentials for the sandbox, people. Running it again changes nothing.

    `make_user(owner, email, name, password, role, practice_id)` comes from identity.
    """
    for practice in DEMO_PRACTICES:
        practice_id = await ensure_practice(
            owner,
            practice.slug,
            name=practice.name,
            timezone=practice.timezone,
            phone=practice.phone,
            is_default=practice.is_default,
        )
        await sandbox_credentials(owner, vault, rooms, settings, practice, practice_id)
        if practice.is_default:
            for local, name, role in DEMO_PEOPLE:
                tenant = None if role == "oncall" else practice_id
                await make_user(owner, f"{local}@demo.example", name, password, role, tenant)


async def sandbox_credentials(
    owner: Owner,
    vault: Vault,
    rooms: Mapping[str, Integration],
    settings: Settings,
    practice: DemoPractice,
    practice_id: UUID,
) -> None:
    """A credential of each provider that the sandbox plays; those there already are left."""
    for room, provider in ((r, p) for r in rooms.values() for p in r.providers):
        endpoint = endpoint_of(None if practice.is_default else practice.slug, room, provider)
        known = await owner.fetchrow(
            "select base_url, live from credential where integration = $1 and endpoint = $2",
            room.name,
            endpoint,
        )
        base_url = sandbox_address(room.name, provider, settings)
        if known is not None and (known["live"] or known["base_url"] == base_url):
            continue
        usual = demo_secrets(provider.credential_fields, endpoint)
        await save_credential(
            owner,
            vault,
            provider,
            NewCredential(
                practice_id,
                room.name,
                endpoint,
                base_url,
                False,
                {name: practice.own.get(name, value) for name, value in usual.items()},
                rank=rank_of(room, provider),
                looks_up_numbers=provider.looks_up_numbers,
                entered_by="the demo",
            ),
        )


def demo_secrets(fields: Any, endpoint: str) -> dict[str, str]:
    """What the sandbox is told to accept: the provider's own shapes, filled anew each time."""
    return {
        f.name: f.demo.format(
            endpoint=endpoint,
            random=base64.b64encode(secrets.token_bytes(24)).decode(),
            hex=secrets.token_hex(16),
        )
        for f in fields
        if f.demo
    }


async def demo_day(services: Services, random: Random) -> None:
    """Book one more appointment in each practice that is due one, as a front desk would."""
    for practice_id, zone in await practices(services):
        claims = system_claims(practice_id)
        async with services.database.as_user(claims) as connection:
            pace = await connection.fetchrow(_PACE, BRISK_APPOINTMENTS, SELDOM_S)
        if pace["wanted"]:
            person = random.randrange(len(_FIRST) * len(_LAST))
            made_up = _made_up(services.clock.now(), zone, random, person, pace["known"])
            await agree_to_texts(services, claims, person, made_up)
            with suppress(AppointmentExists):
                await book(services, claims, made_up)


def system_claims(practice_id: UUID) -> dict[str, Any]:
    """The house itself, acting for one practice as its administrator would."""
    return {
        "sub": "00000000-0000-0000-0000-000000000000",
        "role": "authenticated",
        "practice": str(practice_id),
        "practice_role": "administrator",
    }


async def practices(services: Services) -> list[tuple[UUID, str]]:
    """Each with its zone, without those of drills."""
    async with services.database.as_dispatcher() as connection:
        rows = await connection.fetch(
            "select id, timezone from practice where not is_drill order by slug"
        )
    return [(row["id"], row["timezone"]) for row in rows]


def _made_up(now: datetime, zone: str, random: Random, person: int, number: int) -> NewAppointment:
    first, last = _FIRST[person // len(_LAST)], _LAST[person % len(_LAST)]
    day = now.astimezone(ZoneInfo(zone)) + timedelta(days=random.randint(1, 20))
    starts_at = day.replace(
        hour=random.randint(8, 17), minute=random.choice((0, 30)), second=0, microsecond=0
    ).astimezone(UTC)
    mark = hashlib.sha256(f"{first}{last}".encode()).hexdigest()[:8]
    return NewAppointment(
        external_id=f"demo-{number + 1}-{secrets.token_hex(3)}",
        client_external_id=f"demo-{mark}",
        client_name=Phi(f"{first} {last}"),
        client_email=Phi(f"{first}.{last}@demo.example".lower()),
        client_phone=phone_of(person),
        client_timezone=zone_of(person),
        client_language="en",
        clinician_email="clinician@demo.example",
        starts_at=starts_at,
        duration_min=random.choice((30, 50, 50, 90)),
    )
