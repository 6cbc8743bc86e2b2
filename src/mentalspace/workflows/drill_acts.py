"""What a drill may do in each room, through the same path as the practice's own work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias
from uuid import UUID

from mentalspace.engine.hours import Hours
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.runbook.drill import Param
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.storage.document import Document, sample_document
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import (
    NewAppointment,
    find_appointment,
    insert_appointment,
    save_client,
)
from mentalspace.workflows.appointment_news import tell_booked
from mentalspace.workflows.appointments import mail_desk
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.drill_files import pretend_files


@dataclass(frozen=True, slots=True)
class DrillSend:
    """Send one thing each to `count` recipients; `{n}` in `to` counts from 1.

    `says` stands in a mail where a practice's own line would, and is all that a text says. With
    `night_s` what goes into the ledger by itself is useful that long, and may leave only later. The
    bytes of a document that is `lost` are not where they landed; one that is `sealed` was found
    harmful there.
    """

    practice_id: UUID
    credential_id: UUID
    run_id: str
    integration: str
    to: str
    count: int
    guard: bool
    says: str | None = None
    night_s: float | None = None
    lost: bool = False
    sealed: bool = False


async def send_mails(services: Services, send: DrillSend) -> None:
    """Book appointments of made-up clients in the drill's practice: one mail each, no reminder."""
    claims = system_claims(send.practice_id)
    desk = replace(
        mail_desk(services, claims),
        credential_id=send.credential_id,
        bypass_guard=not send.guard,
        actor="drill",
        note=send.says,
    )
    starts_at = services.clock.now() + timedelta(hours=20)
    async with services.database.as_user(claims) as connection:
        for number in range(1, send.count + 1):
            new = _appointment(send, number, starts_at)
            client_id = (await save_client(connection, send.practice_id, new)).id
            appointment_id = await insert_appointment(
                connection, send.practice_id, client_id, new, send.run_id
            )
            assert appointment_id is not None
            appointment = await find_appointment(connection, appointment_id)
            assert appointment is not None
            await tell_booked(connection, desk, appointment)


async def send_samples(services: Services, send: DrillSend) -> None:
    """Put the room's own sample straight into the ledger. Raises LookupError if it has none."""
    sample = services.rooms[send.integration].sample
    if sample is None:
        raise LookupError(f"no drill can send through {send.integration}: its room has no sample")
    await _send(services, send, sample)


async def send_texts(services: Services, send: DrillSend) -> None:
    """Texts of the drill's own words, straight into the ledger: a number that is none would
    never be written to otherwise."""

    def text(to: str) -> bytes:
        return Text(to, send.says or "A test of the connection.", "sample", "en").to_bytes()

    await _send(services, send, text)


async def send_documents(services: Services, send: DrillSend) -> None:
    """The room's own small document, of a kind that names nobody."""

    def document(to: str) -> bytes:
        sample = Document.from_bytes(sample_document(to))
        if send.lost:
            sample = replace(sample, landed=f"{sample.landed}.lost")
        return (replace(sample, kind="sealed") if send.sealed else sample).to_bytes()

    await _send(services, send, document)


async def _send(services: Services, send: DrillSend, payload: Callable[[str], bytes]) -> None:
    now = services.clock.now()
    expires_at = None if send.night_s is None else now + timedelta(seconds=send.night_s)
    async with services.database.as_user(system_claims(send.practice_id)) as connection:
        for number in range(1, send.count + 1):
            to = send.to.format(n=number)
            new = NewDelivery(
                practice_id=send.practice_id,
                integration=send.integration,
                lane_class="interactive",
                kind="sample",
                idempotency_key=f"{send.integration}/drill/{send.run_id}/{number}",
                payload=payload(to),
                recipient=Phi(to),
                expires_at=expires_at,
                bypass_guard=not send.guard,
                drill=send.run_id,
                credential_id=send.credential_id,
                hours=None if send.night_s is None else _after(now + timedelta(hours=12)),
            )
            await enqueue(connection, services.vault, new)


def _after(opens_at: datetime) -> Hours:
    """A minute a day, from then on."""
    minute = opens_at.hour * 60 + opens_at.minute
    return Hours(("UTC",), ((minute, minute + 1),) * 7)


def _appointment(send: DrillSend, number: int, starts_at: datetime) -> NewAppointment:
    name = f"{send.run_id}-{number}"
    return NewAppointment(
        external_id=name,
        client_external_id=name,
        client_name=Phi("Drill Client"),
        client_email=Phi(send.to.format(n=number)),
        client_phone=None,
        client_timezone=None,
        client_language=None,
        clinician_email=None,
        starts_at=starts_at,
        duration_min=50,
    )


# Whom the sandbox brings a message and says nothing more of.
WELL: Mapping[str, str] = MappingProxyType(
    {"email": "client@demo.example", "sms": "+12025550142", "storage": "client-documents/steady"}
)

Pretend: TypeAlias = Callable[[Services, UUID, str, Mapping[str, Param]], Awaitable[None]]

# What `pretend` means in a room's drills.
DRILL_PRETENDS: Mapping[str, Pretend] = MappingProxyType({"storage": pretend_files})

Send: TypeAlias = Callable[[Services, DrillSend], Awaitable[None]]

# A room's `send` in its drills means this; in any other room, its sample.
DRILL_SENDS: Mapping[str, Send] = MappingProxyType(
    {"email": send_mails, "sms": send_texts, "storage": send_documents}
)
