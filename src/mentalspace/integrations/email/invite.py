"""The appointment as a calendar file, so that a client's own calendar follows it.

One UID for an appointment's whole life, a SEQUENCE that rises with each change, and a CANCEL that
takes it away again. source: https://www.rfc-editor.org/rfc/rfc5546
"""

from __future__ import annotations

import base64
from datetime import UTC, timedelta
from email.utils import parseaddr
from typing import Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText

from mentalspace.integrations.email.model import Attachment
from mentalspace.integrations.email.words import word
from mentalspace.practice.saying.facts import AppointmentFacts, Sender

# Part of every UID: changing it would leave old entries in clients' calendars for ever.
_UID_DOMAIN = "appointments.mentalspace.app"

Method = Literal["REQUEST", "CANCEL"]


def uid_of(appointment_id: UUID) -> str:
    return f"{appointment_id}@{_UID_DOMAIN}"


def invite(method: Method, facts: AppointmentFacts, to: str, sender: Sender) -> Attachment:
    """The file. Its summary says nothing of why, and nobody in it has a name but the practice."""
    calendar = Calendar()
    calendar.add("prodid", "-//MentalSpace//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(_event(method, facts, to, sender))
    return Attachment(
        filename=word("invite.file", facts.language),
        content_type=f"text/calendar; charset=utf-8; method={method}",
        content=base64.b64encode(calendar.to_ical()).decode(),
    )


def _event(method: Method, facts: AppointmentFacts, to: str, sender: Sender) -> Event:
    event = Event()
    event.add("uid", uid_of(facts.appointment_id))
    # source: https://www.rfc-editor.org/rfc/rfc5545#section-3.8.7.4 (the first one is 0)
    event.add("sequence", facts.version - 1)
    event.add("dtstamp", facts.written_at.astimezone(UTC))
    # In UTC: the calendar shows it in its owner's zone, on both sides of a change of clocks.
    starts_at = facts.starts_at.astimezone(UTC)
    event.add("dtstart", starts_at)
    event.add("dtend", starts_at + timedelta(minutes=facts.duration_min))
    event.add("summary", word("invite.summary", facts.language))
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    organizer = vCalAddress(f"mailto:{parseaddr(sender.address)[1]}")
    organizer.params["CN"] = vText(facts.practice_name)
    event["organizer"] = organizer
    attendee = vCalAddress(f"mailto:{to}")
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["RSVP"] = vText("FALSE")
    event.add("attendee", attendee, encode=False)
    return event
