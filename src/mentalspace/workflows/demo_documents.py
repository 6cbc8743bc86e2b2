"""The demo's documents: now and then the front desk puts a letter into a client's folder."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import datetime
from random import Random
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.integrations.storage.desk import desk_of
from mentalspace.integrations.storage.keep import Said, Target
from mentalspace.integrations.storage.model import CLIENT_DOCUMENTS
from mentalspace.integrations.storage.put import put_up
from mentalspace.integrations.storage.refusal import Refused
from mentalspace.integrations.storage.store.acting import Deed
from mentalspace.kernel.phi import Phi
from mentalspace.practice.person import Person
from mentalspace.workflows.demo import practices, system_claims

# A practice's first come sooner, that there is something to watch; then so seldom that a demo left
# running for a week keeps some hundred megabytes.
BRISK_DOCUMENTS = 20
BRISK_S = 12.0
SELDOM_S = 40.0
# Nothing is written before some clients are here: it is no part of the start.
_FEWEST_CLIENTS = 3

_PACE = """
select count(*) as known, coalesce(extract(epoch from app.now() - max(created_at)), 1e9)::float8
         as last_s
  from (select created_at from delivery where integration = 'storage' and kind = 'document'
           and drill is null order by created_at desc limit $1) latest
"""
_CLIENTS = """
select c.id from client c
 where exists (select from appointment a where a.client_id = c.id and a.drill is null)
 order by c.id limit 200
"""
_ABOUT = (
    ("Intake questionnaire", "The client has filled this in before the first session."),
    ("Letter of attendance", "This is to say that the client has attended as agreed."),
    ("Financial agreement", "The client has read what a session costs, and agrees to it."),
)


async def demo_documents(services: Services, random: Random) -> None:
    """One more in each practice whose turn it is."""
    for practice_id, _zone in await practices(services):
        await _add(services, practice_id, random)


async def _add(services: Services, practice_id: UUID, random: Random) -> None:
    async with services.database.as_user(system_claims(practice_id)) as connection:
        pace = await connection.fetchrow(_PACE, BRISK_DOCUMENTS)
        clients = [row["id"] for row in await connection.fetch(_CLIENTS)]
        now: datetime = await connection.fetchval("select app.now()")
    every_s = BRISK_S if pace["known"] < BRISK_DOCUMENTS else SELDOM_S
    if len(clients) < _FEWEST_CLIENTS or pace["last_s"] < every_s:
        return
    title, text = random.choice(_ABOUT)
    content = await asyncio.to_thread(_letter, title, text, now)
    name = f"{random.choice(clients)}/{title.lower().replace(' ', '-')}-{secrets.token_hex(4)}.pdf"
    # A full disk is refused here as to anybody, and stands where refusals stand.
    with suppress(Refused):
        await put_up(
            desk_of(services),
            Deed(_front_desk(practice_id), "object.upload", "POST", "/demo"),
            Target(CLIENT_DOCUMENTS, name, False),
            content,
            "application/pdf",
            Said(),
        )


def _front_desk(practice_id: UUID) -> Person:
    return Person(UUID(int=0), "", Phi(""), "front_desk", practice_id, None, None, "")


def _letter(title: str, text: str, now: datetime) -> bytes:
    """A page of it, drawn as every document of ours is."""
    from mentalspace.engine.document.model import Document, Paragraph
    from mentalspace.engine.document.pdf import draw

    return draw(Document(title, f"Made on {now:%Y-%m-%d}, for a demo", (Paragraph(text),)))
