"""What a message may say, as values: when, with which practice, how much. Not who, not why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

Language = Literal["en", "es"]
AppointmentKind = Literal["created", "updated", "cancelled", "reminder"]
AccessKind = Literal["password_reset", "portal_invitation"]


@dataclass(frozen=True, slots=True)
class Sender:
    address: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class AppointmentLinks:
    """Signed addresses of the client's two answers; opening one changes nothing by itself."""

    confirm_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class AppointmentFacts:
    """`timezone` is the client's. `version` rises with every change a client must hear of.

    `written_at` is when the mail was written, `note` the practice's own line. `further` counts
    the later dates of its series to which the same has happened.
    """

    appointment_id: UUID
    version: int
    written_at: datetime
    starts_at: datetime
    duration_min: int
    timezone: str
    language: Language
    practice_name: str
    practice_phone: str | None
    links: AppointmentLinks | None = None
    note: str = ""
    further: int = 0


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes, and in which language."""

    practice_name: str
    practice_phone: str | None
    language: Language


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """`url` carries a single-use token: whoever has it has the account."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """`amount_cents` counts the currency's smallest unit; `reference` says nothing of why."""

    amount_cents: int
    currency: str
    date: date
    reference: str


def language_of(code: str | None) -> Language:
    """The language of ours nearest to a client's: `es-MX` is Spanish, an unknown one English."""
    return "es" if (code or "").lower().replace("_", "-").split("-")[0] == "es" else "en"
