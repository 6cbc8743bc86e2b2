"""Writes three months of a practice down: what its calendar meant to be told, and how it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.hours import next_opening
from mentalspace.engine.suppression import refuse_suppressed
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import Appointment
from mentalspace.practice.quiet_hours import quiet_hours
from mentalspace.practice.reach import Reach
from mentalspace.practice.reminder import Reminder, plan_reminders
from mentalspace.practice.saying.facts import AppointmentKind
from mentalspace.workflows.appointment_mails import MailDesk, compose, mail_key
from mentalspace.workflows.appointment_reminders import QUIET_AFTER_MAIL
from mentalspace.workflows.appointment_texts import compose_text
from mentalspace.workflows.demo_history.cast import Client, made_id
from mentalspace.workflows.demo_history.diary import BEHIND, Booking, bookings
from mentalspace.workflows.demo_history.fate import (
    FATES,
    MENDED_IN,
    TEXT_FATES,
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
    useless_at_night,
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
    instead: bool = False  # of a text


@dataclass(slots=True)
class Standing:
    """What is known of a client at the hour of a mail. `moves` counts addresses they had before."""

    listing: Listing | None = None
    mended_at: datetime | None = None
    no_texts: Listing | None = None
    reached_at: datetime | None = None
    moves: int = 0
    asked: Mapping[str, datetime] = field(default_factory=dict)

    def reach(self, at: datetime) -> None:
        """Time goes on: by then the front desk has asked the client."""
        if self.listing and self.mended_at and self.mended_at <= at:
            self.moves += self.listing.lifted_at is None
            self.listing = self.mended_at = None

    def listed_at(self, letter: Letter, now: datetime, texts: bool) -> datetime | None:
        """When the lane refuses it: as it is written, or once its address came onto the list."""
        listing = self.no_texts if texts else self.listing
        if listing is None or letter.written_at > now:
            return None
        return max(listing.at, letter.written_at)

    def refusal(self, setting: Setting) -> Evidence:
        """What the lane says of it then."""
        listing = self.no_texts if setting.texts else self.listing
        evidence = refuse_suppressed(listing.reason if listing else None, setting.cases)
        assert evidence is not None
        return evidence

    def takes_text(self, written_at: datetime) -> bool:
        """Whether nothing was known against texts as it was written."""
        return self.no_texts is None or written_at < self.no_texts.at

    def learn(self, story: Story, random: Random, now: datetime) -> None:
        """After a bounce the client gives another address, or says that this one holds."""
        self.asked = {**self.asked, **{e.topic: e.done_at for e in story.errands}}
        if story.listing is None:
            return
        if story.setting.texts:
            self.no_texts = story.listing
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
    texts: Setting | None
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
            number = client.number if self.texts else None
            key = self._key(number) if number else None
            self.rows.add_client(client, since.get(client.id, self.now - BEHIND), key)
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
        known, told = Standing(), []
        queue = [(one.letter.due_at, place, one) for place, one in enumerate(sendings)]
        heapify(queue)
        while queue:
            _due_at, _place, sending = heappop(queue)
            sending, setting = self._by_its_way(client, sending, known)
            before = known.reached_at
            story = self._story(sending, known, setting)
            told.append((sending, story, known.moves))
            known.learn(story, sending.random, self.now)
            if (mail := self._instead(sending, story, before)) is not None:
                heappush(queue, (mail.letter.due_at, len(sendings) + len(told), mail))
        for sending, story, moves in told:
            address = _address(client.email, known.moves - moves)
            if story.setting.texts:
                assert client.number is not None
                address = client.number
            payload = self._sealed(sending, story.setting) if story.waits else None
            self.rows.add_story(story, address, self._key(address), payload)

    def _key(self, address: str) -> str:
        return self.desk.vault.recipient_key(self.setting.practice_id, address)

    def _by_its_way(
        self, client: Client, sending: Sending, known: Standing
    ) -> tuple[Sending, Setting]:
        """By text to whom agreed to it and has not taken that back; else by mail."""
        letter = sending.letter
        if self.texts is None or client.number is None or sending.instead:
            return sending, self.setting
        if not known.takes_text(letter.written_at):
            return sending, self.setting
        hours = quiet_hours(
            client.number,
            letter.due_at.date(),
            client_zone=client.timezone,
            practice_zone=self.practice["timezone"],
        )
        opens_at = next_opening(hours, letter.due_at)
        changed = letter.until is not None and letter.until <= opens_at
        text = replace(
            letter,
            id=made_id(letter.id, "text"),
            key=f"sms/{letter.key.partition('/')[2]}",
            hours=hours,
            opens_at=opens_at,
            cancelled_at=letter.until if changed else None,
        )
        return replace(sending, letter=text), self.texts

    def _instead(self, sending: Sending, story: Story, earliest: datetime | None) -> Sending | None:
        """The mail in the place of a text that could not tell it, while it is still true. Not
        before `earliest`: what came of their mails until then is told already."""
        at, letter = story.falls_back_at, story.letter
        if at is None or not story.setting.texts:
            return None
        at = max(at, earliest or at)
        if letter.until is not None and letter.until <= at:
            useless = "the appointment has changed since"
        elif letter.expires_at <= at:
            useless = "its time has passed"
        else:
            mail = replace(
                letter,
                id=made_id(letter.id, "instead"),
                key=f"email/{letter.mail_kind}/instead/{letter.id}",
                written_at=at,
                due_at=at,
                cancelled_at=None,
                hours=None,
                opens_at=None,
            )
            why = {"mail": str(mail.id)}
            story.tell(at, "told_by_mail", why, actor="system", lane=False)
            return replace(sending, letter=mail, met=None, instead=True)
        reason = {"reason": useless}
        story.tell(at, "not_told_otherwise", reason, actor="system", lane=False)
        return None

    def _letters(self, appointment: Appointment, occasion: Occasion) -> Iterator[Letter]:
        """The mail about it, and the reminders of the hour it now has."""
        yield _letter(appointment, occasion, None)
        if occasion.kind == "cancelled":
            return
        leads = self.practice["leads_min"]
        for reminder in plan_reminders(appointment.starts_at, appointment.timezone, leads):
            if reminder.due_at > occasion.at + QUIET_AFTER_MAIL:
                yield _letter(appointment, occasion, reminder)

    def _story(self, sending: Sending, known: Standing, setting: Setting) -> Story:
        letter, trouble = sending.letter, sending.met
        known.reach(letter.due_at)
        if letter.due_at <= self.now:
            known.reached_at = max(letter.due_at, known.reached_at or letter.due_at)
        listed_at = known.listed_at(letter, self.now, setting.texts)
        ends = (at for at in (listed_at, letter.cancelled_at, self.now) if at)
        held = letter.leaves_at > letter.due_at and letter.due_at < min(ends)
        story = self._begun(sending, setting, known, held)
        if letter.cancelled_at and not (listed_at and listed_at < letter.cancelled_at):
            cancelled(story)
            return story
        if listed_at is not None:
            story.refuse_locally(listed_at, known.refusal(setting))
            return story
        if letter.leaves_at >= letter.expires_at and letter.due_at <= self.now:
            useless_at_night(story)
            return story
        waits = letter.leaves_at > letter.due_at
        if trouble is not None and trouble.tell is not None and not waits:
            trouble.tell(story, letter.due_at)
            return story
        if letter.leaves_at > self.now - STILL_TO_SEND and (trouble is None or waits):
            return story
        fates = TEXT_FATES if setting.texts else FATES
        (fate,) = sending.random.choices(list(fates), list(fates.values()))
        for told in (delivered,) if trouble else (fate, delivered):
            told(story)
            if story.lines[-1].at <= self.now:
                break
            story = self._begun(sending, setting, known, held)
        return story

    def _begun(self, sending: Sending, setting: Setting, known: Standing, held: bool) -> Story:
        """`held` for the hours of its number."""
        story = Story(sending.letter, setting, sending.random, asked=known.asked)
        if held and sending.letter.leaves_at < sending.letter.expires_at:
            story.wait_for_hours()
        return story

    def _sealed(self, sending: Sending, setting: Setting) -> bytes:
        letter, appointment = sending.letter, sending.appointment
        desk = replace(self.desk, now=letter.written_at)
        if setting.texts:
            leaves_at, kind = letter.due_at, letter.kind
            text = compose_text(desk, appointment, kind, leaves_at, first=kind == "created")
            raw = text.to_bytes()
        else:
            raw = compose(desk, appointment, letter.kind).to_bytes()
        return self.desk.vault.seal(self.setting.practice_id, "delivery", raw)

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
            reach=Reach(
                number=Phi(client.number) if client.number else None,
                client_zone=client.timezone,
                practice_zone=self.practice["timezone"],
                cancel_before_h=self.practice["cancel_before_h"],
            ),
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
        version=appointment.version,
        until=occasion.until,
    )
