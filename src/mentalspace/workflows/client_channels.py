"""A client chooses mails or texts: with the agreement that texts need, and what waits follows."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.practice.audit import note
from mentalspace.practice.channels import (
    ChannelChoice,
    Channels,
    read_channels,
    save_channels,
)
from mentalspace.practice.suppression import ONLY_THEY
from mentalspace.workflows.appointment_reminders import CLIENT_CHOSE
from mentalspace.workflows.appointments import Claims, mail_desk, remind_client_anew
from mentalspace.workflows.client_consent import WishNotKept, keep_wish_within, read_consent
from mentalspace.workflows.reminder_rules import ClientUnknown

NOT_AGREED = "write down first who agreed to texts, and how"
ENDED = "the client ended texts: write down who asked for them again, and how"


async def choose_channels(
    services: Services,
    claims: Claims,
    client_id: UUID,
    choice: ChannelChoice,
    *,
    agreed: str = "",
    name: str,
) -> bool:
    """Whether anything changed. What waits for the client follows in the same transaction.

    `agreed` says who agreed to texts, and how: it goes into the consent ledger, written by the
    colleague called `name`. Raises ClientUnknown, and WishNotKept for texts that nobody agreed to.
    """
    async with services.database.as_user(claims) as connection:
        before = await read_channels(connection, client_id, lock=True)
        if before is None:
            raise ClientUnknown("there is no such client")
        if agreed.strip():
            await keep_wish_within(
                connection, services.vault, claims, client_id, "sms", "agreed", agreed, name
            )
        elif choice.wants_texts_beyond(before.choice):
            await _check_agreed(connection, services.vault, claims, client_id, before)
        if before.choice == choice:
            return bool(agreed.strip())
        await save_channels(connection, client_id, choice)
        desk = mail_desk(services, claims)
        await remind_client_anew(connection, desk, client_id, CLIENT_CHOSE)
        await note(
            connection,
            str(claims["sub"]),
            "client.channels_changed",
            practice_id=UUID(str(claims["practice"])),
            subject=client_id,
            reminders_by=choice.reminders_by,
            changes_by=choice.changes_by,
        )
        return True


async def _check_agreed(
    connection: Connection, vault: Vault, claims: Claims, client_id: UUID, before: Channels
) -> None:
    if before.agreed_at is None:
        raise WishNotKept("not_agreed", NOT_AGREED)
    practice_id = UUID(str(claims["practice"]))
    consent = await read_consent(connection, vault, practice_id, client_id)
    kept = next(each.kept for each in consent.standing if each.channel == "sms")
    if kept is not None and kept["reason"] in ONLY_THEY:
        raise WishNotKept("not_agreed", ENDED)
