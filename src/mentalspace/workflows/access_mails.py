"""Mails that let somebody in: a new password, or a client's first entry to the portal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.services import Services
from mentalspace.integrations.email.render import access_mail
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.phi import Phi
from mentalspace.practice.access import (
    INVITATION_LASTS,
    RESET_LASTS,
    Invited,
    invite_client,
    new_token,
    open_reset,
    token_hash,
)
from mentalspace.practice.saying.facts import (
    AccessFacts,
    AccessKind,
    Letterhead,
    language_of,
)
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.mail_sender import sender_of


class NoCredential(MentalSpaceError):
    """The practice has no e-mail credential: nothing was written."""


async def ask_reset(services: Services, address: str) -> None:
    """Write to whoever has that address, through their practice's account, else the default
    practice's. Nobody learns from this whether there is such a person."""
    token = new_token()
    reset = await open_reset(
        services.database, address, token, demo_allowed=not services.settings.is_production
    )
    if reset is None:
        return
    letter = _Letter(
        "password_reset", Phi(address), reset.language, token, reset.user_id, reset.is_staff
    )
    try:
        await _send(services, system_claims(reset.practice_id), letter)
    except NoCredential:
        await _send(services, system_claims(await _default_practice(services)), letter)


async def write_reset(
    services: Services,
    connection: Connection,
    practice_id: UUID,
    user_id: UUID,
    address: Phi[str],
    language: str | None,
    token: str,
) -> UUID | None:
    """The mail with a client's link, in the caller's transaction; None without a credential."""
    letter = _Letter("password_reset", address, language or "en", token, user_id)
    try:
        return await _write(services, connection, practice_id, letter)
    except NoCredential:
        return None


async def invite(services: Services, claims: Mapping[str, Any], client_id: UUID) -> Invited:
    """Send a client of the practice a link to the portal; an earlier one loses its force.

    Raises NoCredential, and then nothing is changed.
    """
    token = new_token()
    async with services.database.as_user(claims) as connection:
        outcome = await invite_client(connection, claims, client_id, token)
        if outcome == "invited":
            client = await connection.fetchrow(
                "select email, language from client where id = $1", client_id
            )
            assert client is not None
            letter = _Letter(
                "portal_invitation", Phi(client["email"]), client["language"], token, client_id
            )
            await _write(services, connection, UUID(str(claims["practice"])), letter)
        return outcome


@dataclass(frozen=True, slots=True)
class _Letter:
    """A link to one person; `about` is the user of a reset, the client of an invitation.

    That somebody is a client is health information; that a colleague forgot a password is none.
    """

    kind: AccessKind
    to: Phi[str]
    language: str
    token: str = field(repr=False)
    about: UUID
    to_staff: bool = False


_LASTS: Mapping[AccessKind, timedelta] = {
    "password_reset": RESET_LASTS,
    "portal_invitation": INVITATION_LASTS,
}


async def _send(services: Services, claims: Mapping[str, Any], letter: _Letter) -> None:
    async with services.database.as_user(claims) as connection:
        await _write(services, connection, UUID(str(claims["practice"])), letter)


async def _write(
    services: Services, connection: Connection, practice_id: UUID, letter: _Letter
) -> UUID:
    practice = await connection.fetchrow(
        "select name, phone from practice where id = $1", practice_id
    )
    assert practice is not None
    mail = access_mail(
        letter.kind,
        AccessFacts(f"{services.settings.site_url}/reset/{letter.token}"),
        Letterhead(practice["name"], practice["phone"], language_of(letter.language)),
        letter.to.reveal(),
        sender_of(services),
    )
    is_client = letter.kind == "portal_invitation"
    new = NewDelivery(
        practice_id=practice_id,
        integration="email",
        lane_class="interactive",
        kind=letter.kind,
        idempotency_key=f"email/{letter.kind}/{token_hash(letter.token).hex()[:40]}",
        payload=mail.to_bytes(),
        recipient=letter.to,
        expires_at=services.clock.now() + _LASTS[letter.kind],
        subject_type="client" if is_client else "user",
        subject_id=letter.about,
        client_id=letter.about if is_client else None,
        carries_phi=not letter.to_staff,
    )
    delivery_id = await enqueue(connection, services.vault, new)
    if delivery_id is None:
        raise NoCredential("the practice has no e-mail credential")
    return delivery_id


async def _default_practice(services: Services) -> UUID:
    async with services.database.as_door() as connection:
        practice_id: UUID = await connection.fetchval("select id from practice where is_default")
    return practice_id
