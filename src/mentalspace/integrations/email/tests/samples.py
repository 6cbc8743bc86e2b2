"""One made-up appointment, and every mail about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.samples import TO, Sample, sample_mails
from mentalspace.practice.saying.facts import (
    AppointmentFacts,
    AppointmentLinks,
    Language,
    Letterhead,
    Sender,
)

__all__ = ["FACTS", "SENDER", "TO", "every_mail"]

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
)


def every_mail(language: Language) -> Mapping[str, Mail]:
    return sample_mails(
        Sample(
            Letterhead(FACTS.practice_name, FACTS.practice_phone, language),
            FACTS.timezone,
            FACTS.written_at,
            FACTS.starts_at,
            SENDER,
            "https://clinic.example",
        )
    )
