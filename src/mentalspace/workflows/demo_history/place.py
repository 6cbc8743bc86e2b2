"""The practice a history is made for: the default one, one that is there, or a new one."""

from __future__ import annotations

from random import Random
from uuid import UUID

import asyncpg

from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused
from mentalspace.practice.identity import create_user
from mentalspace.practice.tenancy import Owner, ensure_practice
from mentalspace.workflows.demo import DemoPractice, sandbox_credentials
from mentalspace.workflows.demo_history.cast import ZONES

# (local part, name, role)
PEOPLE = (
    ("admin", "Ada Moreno", "administrator"),
    ("frontdesk", "Sam Whitfield", "front_desk"),
    ("clinician", "Dr. Imani Okafor", "clinician"),
)


async def find_practice(owner: Owner, slug: str | None) -> UUID | None:
    """By slug; None is the default practice."""
    found: UUID | None = await owner.fetchval(
        "select id from practice where not is_drill"
        " and case when $1::text is null then is_default else slug = $1 end",
        slug,
    )
    return found


async def make_practice(
    services: Services, owner: Owner, slug: str, seed: int, password: str
) -> UUID:
    """A new demo practice with the sandbox's credentials and three people who may sign in."""
    async with owner.transaction():
        return await _make(services, owner, slug, seed, password)


async def _make(services: Services, owner: Owner, slug: str, seed: int, password: str) -> UUID:
    practice = DemoPractice(
        slug=slug,
        name=f"{slug.replace('-', ' ').title()} Practice",
        timezone=Random(f"{seed}/practice").choice(ZONES),
        phone="+1 555 0199",
        is_default=False,
    )
    try:
        practice_id = await ensure_practice(
            owner, slug, name=practice.name, timezone=practice.timezone, phone=practice.phone
        )
    except asyncpg.CheckViolationError as error:
        raise Refused("bad_slug", "a slug has lower-case letters, digits and dashes") from error
    await sandbox_credentials(
        owner, services.vault, services.rooms, services.settings, practice, practice_id
    )
    for local, name, role in PEOPLE:
        email = f"{local}.{slug}@demo.example"
        await create_user(owner, email, name, password, [(role, practice_id)])
    return practice_id
