"""The calendar file, read back by other eyes and held to the rules of invitations."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from mentalspace.integrations.email.render import appointment_mail
from mentalspace.integrations.email.tests.samples import FACTS, SENDER, TO
from mentalspace.practice.saying.facts import AppointmentFacts, AppointmentKind

KINDS: tuple[AppointmentKind, ...] = ("created", "updated", "cancelled")


def _file(kind: AppointmentKind, facts: AppointmentFacts) -> tuple[Any, Any]:
    [attachment] = appointment_mail(kind, facts, TO, SENDER).attachments
    calendar: Any = Calendar.from_ical(base64.b64decode(attachment.content))
    [event] = calendar.walk("VEVENT")
    assert attachment.content_type.endswith(f"method={calendar['method']}")
    return calendar, event


class _ClientsCalendar:
    """What a mail program does with such a file. source: RFC 5546, sections 2.1.4, 3.2.2, 3.2.5"""

    def __init__(self) -> None:
        self.events: dict[str, tuple[int, datetime]] = {}

    def take(self, calendar: Any, event: Any) -> None:
        uid, sequence = str(event["uid"]), int(event["sequence"])
        known = self.events.get(uid)
        assert "organizer" in event and "dtstamp" in event
        if known is not None and sequence < known[0]:
            return  # it came late: a newer one has been seen
        if calendar["method"] == "CANCEL":
            self.events.pop(uid, None)
            return
        assert calendar["method"] == "REQUEST"
        assert "attendee" in event
        self.events[uid] = (sequence, event.decoded("dtstart"))


def test_a_clients_calendar_follows_the_appointment() -> None:
    """Booked, moved and cancelled is one entry throughout, and a late file changes nothing."""
    theirs = _ClientsCalendar()
    booked = _file("created", FACTS)
    theirs.take(*booked)
    [(_, at)] = theirs.events.values()
    assert at == FACTS.starts_at
    later = FACTS.starts_at + timedelta(days=1)
    theirs.take(*_file("updated", replace(FACTS, version=2, starts_at=later)))
    theirs.take(*booked)
    [(sequence, at)] = theirs.events.values()
    assert (sequence, at) == (1, later)
    theirs.take(*_file("cancelled", replace(FACTS, version=3, starts_at=later)))
    assert theirs.events == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_says_when_and_no_more(kind: AppointmentKind) -> None:
    """Summary without a reason, private, no name but the practice's, the sender's bare address."""
    calendar, event = _file(kind, replace(FACTS, note="Bring the form."))
    assert event["summary"] == "Appointment"
    assert event["class"] == "PRIVATE"
    assert str(event["organizer"]) == "mailto:noreply@mentalspace.app"
    assert event["organizer"].params["CN"] == "Lakeside Counseling"
    assert not {"description", "location", "comment"} & {key.lower() for key in event}
    assert calendar["version"] == "2.0"
    assert event["status"] == ("CANCELLED" if kind == "cancelled" else "CONFIRMED")
    assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(minutes=50)


def test_a_file_in_spanish_is_spanish() -> None:
    """What a Spanish client's calendar shows is Spanish."""
    [attachment] = appointment_mail(
        "created", replace(FACTS, language="es"), TO, SENDER
    ).attachments
    assert attachment.filename == "cita.ics"
    assert b"SUMMARY:Cita" in base64.b64decode(attachment.content)


@pytest.mark.parametrize("hour", [5, 6])
def test_the_doubled_hour_of_autumn_is_one_instant(hour: int) -> None:
    """1:30 before and 1:30 after clocks go back are two different instants in the file."""
    at = datetime(2026, 11, 1, hour, 30, tzinfo=UTC)
    _, event = _file("created", replace(FACTS, starts_at=at, timezone="America/New_York"))
    assert event.decoded("dtstart") == at
    assert event["dtstart"].to_ical() == f"20261101T0{hour}3000Z".encode()


def test_reminders_carry_no_file() -> None:
    """A mail with a file cannot travel in a batch, and a reminder is nothing new."""
    assert appointment_mail("reminder", FACTS, TO, SENDER).attachments == ()
