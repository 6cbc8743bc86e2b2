"""Every mail there is, about one made-up appointment: for the preview and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.render import access_mail, appointment_mail, receipt_mail
from mentalspace.practice.saying.facts import (
    AccessFacts,
    AppointmentFacts,
    AppointmentLinks,
    Letterhead,
    ReceiptFacts,
    Sender,
)

TO = "client@demo.example"
KINDS = (
    "appointment_created",
    "appointment_updated",
    "appointment_cancelled",
    "reminder",
    "password_reset",
    "portal_invitation",
    "receipt",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample takes from the practice and from whoever looks at it."""

    letterhead: Letterhead
    timezone: str
    now: datetime
    starts_at: datetime
    sender: Sender
    site_url: str
    note: str = ""


def sample_mails(sample: Sample) -> Mapping[str, Mail]:
    """By kind. Nobody in them exists, and their links lead to pages that say so."""
    facts = _facts(sample)
    link = AccessFacts(f"{sample.site_url}/reset/a-sample")
    receipt = ReceiptFacts(12550, "usd", date(2026, 11, 24), "R-2026-0117")
    letterhead, sender = sample.letterhead, sample.sender
    mails = (
        appointment_mail("created", facts, TO, sender),
        appointment_mail("updated", facts, TO, sender),
        appointment_mail("cancelled", facts, TO, sender),
        appointment_mail("reminder", facts, TO, sender),
        access_mail("password_reset", link, letterhead, TO, sender),
        access_mail("portal_invitation", link, letterhead, TO, sender),
        receipt_mail(receipt, letterhead, TO, sender),
    )
    return {mail.kind: mail for mail in mails}


def _facts(sample: Sample) -> AppointmentFacts:
    return AppointmentFacts(
        appointment_id=UUID(int=7),
        version=1,
        written_at=sample.now,
        starts_at=sample.starts_at,
        duration_min=50,
        timezone=sample.timezone,
        language=sample.letterhead.language,
        practice_name=sample.letterhead.practice_name,
        practice_phone=sample.letterhead.practice_phone,
        links=AppointmentLinks(f"{sample.site_url}/a/sample", f"{sample.site_url}/a/sample#cancel"),
        note=sample.note,
    )
