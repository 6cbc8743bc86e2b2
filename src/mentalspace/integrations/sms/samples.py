"""The texts there are, about one made-up appointment: for the preview."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.render import appointment_text, code_text
from mentalspace.practice.saying.facts import AppointmentFacts, Letterhead

# A number kept for fiction.
TO = "+12025550142"


def sample_texts(
    letterhead: Letterhead, *, now: datetime, starts_at: datetime, timezone: str, host: str
) -> Mapping[str, Text]:
    """By kind; `first` is a reminder as the first text to a number, and the longest there is."""
    facts = AppointmentFacts(
        appointment_id=UUID(int=7),
        version=1,
        written_at=now,
        starts_at=starts_at,
        duration_min=50,
        timezone=timezone,
        language=letterhead.language,
        practice_name=letterhead.practice_name,
        practice_phone=letterhead.practice_phone,
    )
    return {
        "appointment_created": appointment_text("created", facts, TO),
        "appointment_updated": appointment_text("updated", facts, TO),
        "appointment_cancelled": appointment_text("cancelled", facts, TO),
        "reminder": appointment_text("reminder", facts, TO, may_cancel=True),
        "first": appointment_text("reminder", facts, TO, may_cancel=True, first=True),
        "log_in_code": code_text("482913", 10, host, letterhead.language, TO),
    }
