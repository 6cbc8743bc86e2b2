"""The signed links by which a client answers a mail, and what is read out of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.engine.signing import SignatureBroken, Signer
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.saying.facts import AppointmentLinks

_PURPOSE = "appointment"
_VERSION_BYTES, _ADDRESS_BYTES = 3, 4


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """What making a link needs."""

    signer: Signer
    vault: Vault
    site_url: str

    def of(self, appointment: Appointment) -> AppointmentLinks | None:
        """Good until the appointment begins, for this version of it and this address: whoever
        was written to by mistake has no say once the mistake is mended."""
        if appointment.client_email is None:
            return None
        address = appointment.client_email.reveal()
        mark = address_mark(self.vault, appointment.practice_id, address)
        body = appointment.id.bytes + appointment.version.to_bytes(_VERSION_BYTES) + mark
        token = self.signer.sign(_PURPOSE, body, appointment.starts_at)
        url = f"{self.site_url}/a/{token}"
        return AppointmentLinks(confirm_url=url, cancel_url=f"{url}#cancel")


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a link says it is about."""

    appointment_id: UUID
    version: int
    address_mark: bytes
    expires_at: datetime


def link_desk(services: Services) -> LinkDesk:
    return LinkDesk(services.signer, services.vault, services.settings.site_url)


def read_link(signer: Signer, token: str) -> LinkClaim | None:
    """None for whatever we did not sign."""
    try:
        signed = signer.open(_PURPOSE, token)
    except SignatureBroken:
        return None
    version, mark = signed.body[16 : 16 + _VERSION_BYTES], signed.body[16 + _VERSION_BYTES :]
    return LinkClaim(UUID(bytes=signed.body[:16]), int.from_bytes(version), mark, signed.expires_at)


def address_mark(vault: Vault, practice_id: UUID, address: str) -> bytes:
    """A few bytes of a keyed hash: enough to notice another address, too few to tell it."""
    return bytes.fromhex(vault.recipient_key(practice_id, address))[:_ADDRESS_BYTES]
