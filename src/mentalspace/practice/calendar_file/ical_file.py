"""The iCalendar half: one VEVENT to one appointment, the newest version of each."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import tzinfo

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
from mentalspace.practice.calendar_file.ical_text import Calendar, EventText, split_events
from mentalspace.practice.calendar_file.ical_time import read_duration, read_time
from mentalspace.practice.calendar_file.row import AppointmentRow, Reading

SEQUENCE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an event.

    `apart` are those that no other supersedes: dates of a series, which share one UID, and
    versions whose number cannot be read.
    """

    uid: str
    sequence: int
    apart: bool
    reading: Reading


def looks_like_ical(data: bytes, file_name: str) -> bool:
    """The content decides; the name only where the content shows nothing."""
    head = data[:400]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    return head.startswith(b"BEGIN:VCALENDAR") or file_name.lower().endswith((".ics", ".ical"))


def read_ical(data: bytes, zone: tzinfo) -> tuple[list[Reading], int, list[str]]:
    """Every event in file order, how many older versions were left out, and notes.

    Times without a zone are on the wall clock of `zone`, the practice's.
    """
    events, notes = split_events(data)
    versions = [_read_event(event, zone) for event in events]
    newest: dict[str, int] = {}
    for version in versions:
        if version.uid and not version.apart:
            newest[version.uid] = max(version.sequence, newest.get(version.uid, 0))
    kept = [
        version
        for version in versions
        if version.apart or version.sequence >= newest.get(version.uid, 0)
    ]
    older = len(versions) - len(kept)
    if older:
        notes.append(f"older versions of an event were left out: {older}")
    readings = [version.reading for version in kept]
    nameless = sum(1 for reading in readings if reading.good and not reading.good.client_email)
    if nameless:
        notes.append(
            f"clients told apart by their name alone, as no guest has an address: {nameless}"
        )
    return readings, older, notes


def _read_event(event: EventText, zone: tzinfo) -> _Version:
    mistakes = Mistakes(event.line)
    properties = read_properties(event, mistakes)
    uid = field.read_id(first_value(properties, "UID"), "UID", mistakes)
    sequence = _sequence(properties, mistakes)
    recurring = any(name in properties for name in REPEATING)
    row: AppointmentRow | None = None
    if recurring:
        mistakes.found.clear()
        mistakes.add(
            next(name for name in REPEATING if name in properties),
            "recurring",
            "it belongs to a series, and series are not read yet",
            "export its dates as single events",
        )
    elif not event.closed:
        mistakes.add(
            "row",
            "cut_off",
            "the event has no END:VEVENT, so part of it may be missing",
            "export the calendar again",
        )
    else:
        row = _read_appointment(uid, properties, event.calendar, zone, mistakes)
    raw = "\n".join(event.lines)
    reading = Reading(event.line, Phi(raw), event.calendar.header(raw), row, tuple(mistakes.found))
    return _Version(uid, sequence or 0, recurring or sequence is None, reading)


def _sequence(properties: Properties, mistakes: Mistakes) -> int | None:
    value = first_value(properties, "SEQUENCE").strip()
    if not value:
        return 0
    if SEQUENCE.fullmatch(value):
        return int(value)
    mistakes.add("SEQUENCE", "not_a_number", "not a whole number", "write 0, or leave it out")
    return None


def _read_appointment(
    uid: str, properties: Properties, calendar: Calendar, zone: tzinfo, mistakes: Mistakes
) -> AppointmentRow | None:
    """None only where there is no start; any mistake makes the row a bad one."""
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
        external_id=uid,
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
