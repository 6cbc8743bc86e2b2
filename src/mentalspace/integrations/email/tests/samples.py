"""Every mail there is, in one language, about one made-up appointment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from mentalspace.integrations.email.facts import (
    AccessFacts,
    AppointmentFacts,
    AppointmentLinks,
    Language,
    Letterhead,
    ReceiptFacts,
    Sender,
)
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.render import access_mail, appointment_mail, receipt_mail

TO = "client@demo.example"
SENDER = Sender("MentalSpace <noreply@mentalspace.app>", "support@mentalspace.app")
FACTS = AppointmentFacts(
    appointment_id=UUID(int=7),
    version=1,
    written_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
    starts_at=datetime(2026, 11, 24, 20, 30, tzinfo=UTC),
    duration_min=50,
    timezone="America/Chicago",
    language="en",
    practice_name="Lakeside Counseling",
    practice_phone="+1 555 0100",
    links=AppointmentLinks("https://clinic.example/c", "https://clinic.example/x"),
    lead=timedelta(hours=24),
)


def every_mail(language: Language) -> Mapping[str, Mail]:
    facts = replace(FACTS, language=language)
    letterhead = Letterhead(FACTS.practice_name, FACTS.practice_phone, language)
    link = AccessFacts("https://clinic.example/reset/t0ken")
    receipt = ReceiptFacts(12550, "usd", date(2026, 11, 24), "R-2026-0117")
    mails = [
        *(
            appointment_mail(kind, facts, TO, SENDER)
            for kind in ("created", "updated", "cancelled", "reminder")
        ),
        access_mail("password_reset", link, letterhead, TO, SENDER),
        access_mail("portal_invitation", link, letterhead, TO, SENDER),
        receipt_mail(receipt, letterhead, TO, SENDER),
    ]
    return {mail.kind: mail for mail in mails}
