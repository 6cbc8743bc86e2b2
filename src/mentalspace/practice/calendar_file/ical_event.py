"""One VEVENT: which it is, and the appointment it says."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file import field
from mentalspace.practice.calendar_file.field import Mistakes
from mentalspace.practice.calendar_file.ical_property import (
    REPEATING,
    Properties,
    address,
    first_value,
    read_properties,
)
from mentalspace.practice.calendar_file.ical_text import EventText
from mentalspace.practice.calendar_file.ical_time import read_duration, read_time
from mentalspace.practice.calendar_file.row import AppointmentRow

SEQUENCE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Event:
    """One VEVENT, read as far as is needed to tell which it is. `mistakes` collects on.

    `replaces` is the date of its series that it stands for; None for an event itself, and where
    that date cannot be read. `sequence` is None where it cannot be read.
    """

    text: EventText
    properties: Properties
    mistakes: Mistakes
    uid: str
    sequence: int | None
    replaces: datetime | None

    @property
    def is_change(self) -> bool:
        """Whether it changes one date of a series."""
        return "RECURRENCE-ID" in self.properties

    @property
    def repeats(self) -> bool:
        return any(name in self.properties for name in REPEATING)

    @property
    def raw(self) -> str:
        return "\n".join(self.text.lines)


def read_event(text: EventText, zone: tzinfo) -> Event:
    """Times without a zone are on the wall clock of `zone`, the practice's."""
    mistakes = Mistakes(text.line)
    properties = read_properties(text, mistakes)
    uid = field.read_id(first_value(properties, "UID"), "UID", mistakes)
    sequence = _sequence(properties, mistakes)
    replaces = None
    if "RECURRENCE-ID" in properties:
        replaces = read_time("RECURRENCE-ID", properties, text.calendar, zone, mistakes)
        if properties["RECURRENCE-ID"][0].param("RANGE"):
            mistakes.add(
                "RECURRENCE-ID",
                "this_and_future",
                "it changes all later dates of the series at once",
                "end the series before that date with UNTIL, and begin a new one there",
            )
    if not text.closed:
        mistakes.found.clear()
        mistakes.add(
            "row",
            "cut_off",
            "the event has no END:VEVENT, so part of it may be missing",
            "export the calendar again",
        )
    return Event(text, properties, mistakes, uid, sequence, replaces)


def read_appointment(event: Event, zone: tzinfo) -> AppointmentRow | None:
    """None only where there is no start; any mistake makes the row a bad one."""
    properties, calendar, mistakes = event.properties, event.text.calendar, event.mistakes
    if not event.text.closed:
        return None
    organizer = properties.get("ORGANIZER")
    clinician = field.read_email(address(organizer[0]) if organizer else "", "ORGANIZER", mistakes)
    name, email = _client(properties, clinician, mistakes)
    starts_at = read_time("DTSTART", properties, calendar, zone, mistakes)
    duration_min = read_duration(starts_at, properties, calendar, zone, mistakes)
    status = field.read_status(first_value(properties, "STATUS"), "STATUS", mistakes)
    if starts_at is None:
        return None
    return AppointmentRow(
        line=mistakes.line,
        external_id=event.uid,
        client_external_id=_client_id(name, email),
        client_name=Phi(name),
        client_email=Phi(email) if email else None,
        client_phone=None,
        client_timezone=None,
        client_language=None,
        clinician_email=clinician,
        starts_at=starts_at,
        duration_min=duration_min,
        status="cancelled" if calendar.method == "CANCEL" else status,
    )


def _sequence(properties: Properties, mistakes: Mistakes) -> int | None:
    value = first_value(properties, "SEQUENCE").strip()
    if not value:
        return 0
    if SEQUENCE.fullmatch(value):
        return int(value)
    mistakes.add("SEQUENCE", "not_a_number", "not a whole number", "write 0, or leave it out")
    return None


def _client(
    properties: Properties, clinician: str | None, mistakes: Mistakes
) -> tuple[str, str | None]:
    """The one guest's name and address; without a guest, the summary is the name."""
    guests = [
        guest
        for guest in properties.get("ATTENDEE", ())
        if guest.param("CUTYPE").upper() in ("", "INDIVIDUAL", "UNKNOWN")
        and guest.param("ROLE").upper() not in ("CHAIR", "NON-PARTICIPANT")
        and not (clinician and address(guest).lower() == clinician.lower())
    ]
    if len(guests) > 1:
        mistakes.add(
            "ATTENDEE",
            "several_guests",
            f"{len(guests)} guests could be the client",
            "leave one guest beside the organizer",
        )
        return "", None
    name = guests[0].param("CN").strip('"') if guests else ""
    column = "ATTENDEE"
    if not name or "@" in name:
        # Many programs repeat the address where the name belongs.
        name, column = first_value(properties, "SUMMARY"), "SUMMARY"
    email = field.read_email(address(guests[0]), "ATTENDEE", mistakes) if guests else None
    return field.read_name(name, column, mistakes), email


def _client_id(name: str, email: str | None) -> str:
    """The same client gets the same identifier from every file."""
    plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
    key = f"email:{email.lower()}" if email else f"name:{plain}"
    return "ical:" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
