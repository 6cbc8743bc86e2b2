"""Writes three months of a practice down: which mails its calendar meant, and their fates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.reminder import Reminder, plan_reminders
from mentalspace.practice.saying.facts import AppointmentKind
from mentalspace.workflows.appointment_mails import MailDesk, compose, mail_key
from mentalspace.workflows.appointment_reminders import QUIET_AFTER_MAIL
from mentalspace.workflows.demo_history.cast import Client, made_id
from mentalspace.workflows.demo_history.diary import BEHIND, Booking, bookings
from mentalspace.workflows.demo_history.fate import (
    FATES,
    LISTED,
    MENDED_IN,
    Letter,
    Line,
    Listing,
    Setting,
    Story,
    cancelled,
    delivered,
    hold,
    retrying,
    unknown,
)
from mentalspace.workflows.demo_history.rows import Rows

# Younger than this it has not been sent yet: a worker does it.
STILL_TO_SEND = timedelta(minutes=1)
# One of so many coming appointments was booked just now, and its mail is in trouble.
TROUBLE = (hold, unknown, retrying)
ONE_IN, LEAST, MOST = 100, 3, 30
# Of addresses that bounced, those that were right after all.
HOLDS_AFTER_ALL = 0.3


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a mail was about: booked, moved or cancelled. Until `until` it stayed so."""

    kind: AppointmentKind
    at: datetime
    starts_at: datetime
    version: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Booked so lately; `tell` says what its mail met, None that nothing was wrong."""

    at: datetime
    tell: Callable[[Story, datetime], datetime] | None


@dataclass(frozen=True, slots=True)
class Sending:
    """A mail on its way; all of one booking draw from one source."""

    letter: Letter
    appointment: Appointment
    met: Trouble | None
    random: Random


@dataclass(slots=True)
class Standing:
    """What is known of a client at the hour of a mail. `moves` counts addresses they had before."""

    listing: Listing | None = None
    mended_at: datetime | None = None
    moves: int = 0
    asked: Mapping[str, datetime] = field(default_factory=dict)

    def reach(self, at: datetime) -> None:
        """Time goes on: by then the front desk has asked the client."""
        if self.listing and self.mended_at and self.mended_at <= at:
            self.moves += self.listing.lifted_at is None
            self.listing = self.mended_at = None

    def listed_at(self, letter: Letter, now: datetime) -> datetime | None:
        """When the lane refuses it: as it is written, or once its address came onto the list."""
        if self.listing is None or letter.written_at > now:
            return None
        return max(self.listing.at, letter.written_at)

    def learn(self, story: Story, random: Random, now: datetime) -> None:
        """After a bounce the client gives another address, or says that this one holds."""
        self.asked = {**self.asked, **{e.topic: e.done_at for e in story.errands}}
        if story.listing is None:
            return
        self.listing, self.mended_at = story.listing, None
        mended_at = story.listing.at + MENDED_IN
        if story.status != "bounced" or mended_at > now:
            return
        self.mended_at = mended_at
        if random.random() < HOLDS_AFTER_ALL:
            self.listing = story.listing = replace(story.listing, lifted_at=mended_at)
            told = {"suppression": str(made_id(story.letter.id, "suppression"))}
            story.tell(mended_at, "suppression_lifted", told, actor="front desk", lane=False)


@dataclass(frozen=True, slots=True)
class Scribe:
    """Fills `rows`, asking no database. `practice` is its row with its rules for reminders."""

    setting: Setting
    practice: Any
    desk: MailDesk
    seed: int
    rows: Rows

    @property
    def slug(self) -> str:
        return str(self.practice["slug"])

    @property
    def now(self) -> datetime:
        return self.desk.now

    def write(self, clients: Sequence[Client], trouble: bool) -> None:
        zone = ZoneInfo(self.practice["timezone"])
        booked = list(bookings(self.slug, self.seed, clients, zone, self.now))
        troubled = self._troubled(booked) if trouble else {}
        since: dict[UUID, datetime] = {}
        for booking in booked:
            before = since.get(booking.client.id, booking.booked_at)
            since[booking.client.id] = min(booking.booked_at, before)
        for client in clients:
            self.rows.add_client(client, since.get(client.id, self.now - BEHIND))
        of_client: dict[UUID, list[Sending]] = defaultdict(list)
        for booking in booked:
            met = troubled.get(booking.id)
            made = replace(booking, booked_at=met.at, changes=()) if met else booking
            self.rows.add_booking(made, self.practice["rules_revision"])
            of_client[made.client.id] += self._sendings(made, met)
        for client in clients:
            self._write_mails(client, of_client[client.id])

    def _troubled(self, booked: Sequence[Booking]) -> dict[UUID, Trouble]:
        """Each in trouble stands beside one that is not: five in a row would be an incident."""
        soon = self.now + timedelta(days=2)
        coming = [
            booking
            for booking in booked
            if booking.client.email and booking.starts_at > soon and not booking.changes
        ]
        number = 2 * min(max(len(coming) // ONE_IN, LEAST), MOST)
        chosen = Random(f"{self.seed}/trouble").sample(coming, min(number, len(coming)))
        return {
            booking.id: Trouble(
                self.now - timedelta(seconds=30 + 10 * (len(chosen) - place)),
                TROUBLE[place // 2 % len(TROUBLE)] if place % 2 == 0 else None,
            )
            for place, booking in enumerate(chosen)
        }

    def _sendings(self, booking: Booking, trouble: Trouble | None) -> Iterator[Sending]:
        """The mails that a booking and its changes meant."""
        random = Random(f"{self.seed}/mails/{booking.external_id}")
        for occasion in _occasions(booking):
            if booking.client.email is None:
                self._not_written(booking, occasion)
                continue
            appointment = self._appointment(booking, occasion)
            for letter in self._letters(appointment, occasion):
                met = trouble if letter.kind == "created" else None
                yield Sending(letter, appointment, met, random)

    def _write_mails(self, client: Client, sendings: list[Sending]) -> None:
        """One client's, as they fell due: what came back decides on those after it."""
        if client.email is None:
            return
        known, stories = Standing(), []
        for sending in sorted(sendings, key=lambda one: one.letter.due_at):
            story = self._story(sending, known)
            stories.append((sending, story, known.moves))
            known.learn(story, sending.random, self.now)
        for sending, story, moves in stories:
            address = _address(client.email, known.moves - moves)
            key = self.desk.vault.recipient_key(self.setting.practice_id, address)
            payload = self._sealed(sending.appointment, sending.letter) if story.waits else None
            self.rows.add_story(story, address, key, payload)

    def _letters(self, appointment: Appointment, occasion: Occasion) -> Iterator[Letter]:
        """The mail about it, and the reminders of the hour it now has."""
        yield _letter(appointment, occasion, None)
        if occasion.kind == "cancelled":
            return
        leads = self.practice["leads_min"]
        for reminder in plan_reminders(appointment.starts_at, appointment.timezone, leads):
            if reminder.due_at > occasion.at + QUIET_AFTER_MAIL:
                yield _letter(appointment, occasion, reminder)

    def _story(self, sending: Sending, known: Standing) -> Story:
        letter, trouble = sending.letter, sending.met
        known.reach(letter.due_at)
        story = Story(letter, self.setting, sending.random, asked=known.asked)
        listed_at = known.listed_at(letter, self.now)
        if letter.cancelled_at and not (listed_at and listed_at < letter.cancelled_at):
            cancelled(story)
            return story
        if listed_at is not None:
            story.refuse_locally(listed_at, LISTED)
            return story
        if trouble is not None and trouble.tell is not None:
            trouble.tell(story, letter.due_at)
            return story
        if letter.due_at > self.now - STILL_TO_SEND and trouble is None:
            return story
        (fate,) = sending.random.choices(list(FATES), list(FATES.values()))
        for told in (delivered,) if trouble else (fate, delivered):
            told(story)
            if story.lines[-1].at <= self.now:
                break
            story = Story(letter, self.setting, sending.random, asked=known.asked)
        return story

    def _sealed(self, appointment: Appointment, letter: Letter) -> bytes:
        mail = compose(replace(self.desk, now=letter.written_at), appointment, letter.kind)
        return self.desk.vault.seal(self.setting.practice_id, "delivery", mail.to_bytes())

    def _not_written(self, booking: Booking, occasion: Occasion) -> None:
        data = {
            "appointment": str(booking.id),
            "kind": occasion.kind,
            "reason": "no address",
        }
        self.rows.add_line(Line(occasion.at, "mail_not_written", data, None))

    def _appointment(self, booking: Booking, occasion: Occasion) -> Appointment:
        client = booking.client
        return Appointment(
            id=booking.id,
            practice_id=self.setting.practice_id,
            client_id=client.id,
            starts_at=occasion.starts_at,
            duration_min=booking.duration_min,
            status="cancelled" if occasion.kind == "cancelled" else "scheduled",
            version=occasion.version,
            rewrites=0,
            timezone=client.timezone or self.practice["timezone"],
            language=client.language,
            client_name=Phi(client.name),
            client_email=Phi(client.email) if client.email else None,
            practice_name=self.practice["name"],
            practice_phone=self.practice["phone"],
            practice_notes=self.practice["notes"],
            drill=None,
        )


def _address(email: str, ago: int) -> str:
    """The one they have, or the one they had so many addresses ago."""
    return email.replace("@", f"@before{ago}.") if ago else email


def _occasions(booking: Booking) -> Iterator[Occasion]:
    first = booking.changes[0].before if booking.changes else booking.starts_at
    marks: list[tuple[AppointmentKind, datetime, datetime]]
    marks = [("created", booking.booked_at, first)]
    marks += [(change.kind, change.at, booking.starts_at) for change in booking.changes]
    ends = [*(change.at for change in booking.changes), None]
    for version, ((kind, at, starts_at), until) in enumerate(zip(marks, ends, strict=True), 1):
        yield Occasion(kind, at, starts_at, version, until)


def _letter(appointment: Appointment, occasion: Occasion, reminder: Reminder | None) -> Letter:
    kind: AppointmentKind = "reminder" if reminder else occasion.kind
    due_at = reminder.due_at if reminder else occasion.at
    left_first = occasion.until is None or due_at < occasion.until
    lead_min = reminder.lead_min if reminder else None
    return Letter(
        id=made_id(appointment.id, appointment.version, kind, lead_min),
        kind=kind,
        key=mail_key(f"appointment_{kind}" if reminder is None else kind, appointment, reminder),
        appointment_id=appointment.id,
        client_id=appointment.client_id,
        written_at=occasion.at,
        due_at=due_at,
        expires_at=reminder.expires_at if reminder else appointment.starts_at,
        for_start=appointment.starts_at if reminder else None,
        lead_min=lead_min,
        cancelled_at=None if left_first else occasion.until,
    )
