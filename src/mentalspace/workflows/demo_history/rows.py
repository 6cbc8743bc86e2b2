"""Stories as rows, copied into the tables in one go: inserts alone, as the ledger asks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from mentalspace.practice.tenancy import Owner
from mentalspace.workflows.demo_history.cast import Client, made_id
from mentalspace.workflows.demo_history.diary import Booking
from mentalspace.workflows.demo_history.fate import (
    WORKER,
    Errand,
    Letter,
    Line,
    Listing,
    Setting,
    Story,
    Try,
)

CLIENT = """id practice_id external_id name email phone timezone language created_at updated_at
phone_e164 phone_kind phone_checked_at reminders_by changes_by text_agreed_at"""
CONSENT = "practice_id recipient_key client_id channel what how at actor"
TEXT = """practice_id recipient_id recipient_phone notification_type sent_date sent_successfully
error_message related_entity_type related_entity_id status created_at provider_message_id
delivered_at error_code delivery_id delivery_status appointment_id occasion version for_start
lead_min"""
APPOINTMENT = """id practice_id external_id client_id clinician_email starts_at duration_min status
version rules_revision created_at updated_at"""
DELIVERY = """id practice_id lane_id credential_id integration kind subject_type subject_id
client_id recipient_key payload purged_at status idempotency_key due_at next_attempt_at expires_at
attempts reconciliations first_attempt_at provider_message_id last_case held_reason traceparent
created_at accepted_at ended_at questions hours"""
ATTEMPT = """id practice_id lane_id credential_id integration purpose state idempotency_key worker
deadline_s started_at finished_at duration_ms evidence_kind http code request_id case_id
case_version disposition fault traceparent"""
NOTIFICATION = """id practice_id appointment_id delivery_id notification_type recipient_email status
delivery_status sent_at delivered_at error_message resend_id created_at for_start lead_min"""
TIMELINE = "at practice_id delivery_id attempt_id lane_id kind data actor"
TASK = """id practice_id for_role text case_id delivery_id client_id state topic created_at
done_at"""
SUPPRESSION = """id practice_id integration recipient_key client_id delivery_id case_id reason
created_at lifted_at lifted_by how actor"""

# As the ledger's projection has it.
SENT, GONE = ("accepted", "delivered"), ("bounced", "refused", "failed")
TROUBLED = (*GONE, "held", "unknown")
TEXT_STATUS = {
    "accepted": "sent",
    "bounced": "undelivered",
    "refused": "failed",
    "failed": "failed",
    "delivered": "delivered",
    "cancelled": "cancelled",
    "expired": "expired",
}


@dataclass(slots=True)
class Rows:
    """All that is to be written, table by table."""

    setting: Setting
    now: datetime
    clients: list[tuple[Any, ...]] = field(default_factory=list)
    appointments: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    attempts: list[tuple[Any, ...]] = field(default_factory=list)
    carried: list[tuple[Any, ...]] = field(default_factory=list)
    notifications: list[tuple[Any, ...]] = field(default_factory=list)
    timeline: list[tuple[Any, ...]] = field(default_factory=list)
    tasks: list[tuple[Any, ...]] = field(default_factory=list)
    suppressions: list[tuple[Any, ...]] = field(default_factory=list)
    listed: set[tuple[str, str]] = field(default_factory=set)
    texts: list[tuple[Any, ...]] = field(default_factory=list)
    consents: list[tuple[Any, ...]] = field(default_factory=list)

    def add_client(self, client: Client, since: datetime, number_key: str | None) -> None:
        """`number_key` is that of the number they agreed to be texted at."""
        known = (client.phone, client.timezone, client.language, since, since)
        by = "text" if number_key else "email"
        agreed_at = since if number_key else None
        reach = (client.number, "either" if number_key else None, agreed_at, by, by, agreed_at)
        if number_key:
            agreed = ("sms", "agreed", "staff", since, "front desk")
            self.consents.append((self.setting.practice_id, number_key, client.id, *agreed))
        self.clients.append(
            (
                client.id,
                self.setting.practice_id,
                client.external_id,
                client.name,
                client.email,
                *known,
                *reach,
            )
        )

    def add_booking(self, booking: Booking, rules_revision: int) -> None:
        changed_at = booking.changes[-1].at if booking.changes else booking.booked_at
        self.appointments.append(
            (
                booking.id,
                self.setting.practice_id,
                booking.external_id,
                booking.client.id,
                booking.clinician_email,
                booking.starts_at,
                booking.duration_min,
                booking.status,
                booking.version,
                rules_revision,
                booking.booked_at,
                changed_at,
            )
        )

    def add_line(self, line: Line) -> None:
        self.timeline.append(
            (
                line.at,
                self.setting.practice_id,
                line.delivery_id,
                line.attempt_id,
                line.lane_id,
                line.kind,
                line.data,
                line.actor,
            )
        )

    def add_story(
        self, story: Story, recipient: str, recipient_key: str, payload: bytes | None
    ) -> None:
        """`payload` is None for what has ended: its body is left out, as if it were purged."""
        letter = story.letter
        self.deliveries.append(self._delivery(story, recipient_key, payload))
        if story.setting.texts:
            self.texts.append(self._text(story, recipient))
        else:
            self.notifications.append(self._notification(story, recipient))
        for tried in story.tries:
            self.attempts.append(self._attempt(tried, story.setting))
            self.carried.append((tried.id, letter.id, self.setting.practice_id))
        for line in story.lines:
            self.add_line(line)
        for errand in story.errands:
            self.tasks.append(self._task(errand, letter))
        if story.listing and self._is_new(story.listing, story, recipient_key):
            self.suppressions.append(self._suppression(story.listing, story, recipient_key))

    def _delivery(self, story: Story, recipient_key: str, payload: bytes | None) -> tuple[Any, ...]:
        letter = story.letter
        locally = story.status == "refused" and not story.tries
        return (
            letter.id,
            self.setting.practice_id,
            story.lane_id,
            story.setting.credential_id,
            story.setting.integration,
            letter.mail_kind,
            "appointment",
            letter.appointment_id,
            letter.client_id,
            recipient_key,
            payload,
            None if payload else self.now,
            story.status,
            letter.key,
            letter.due_at,
            story.next_attempt_at or letter.leaves_at,
            letter.expires_at,
            1 if locally else len(story.tries),
            sum(tried.purpose == "reconcile" for tried in story.tries),
            story.tries[0].started_at if story.tries else None,
            story.message_id,
            story.last_case,
            story.held_reason,
            story.traceparent,
            letter.written_at,
            story.accepted_at,
            story.ended_at,
            story.questions,
            letter.hours.to_json() if letter.hours else None,
        )

    def _notification(self, story: Story, recipient: str) -> tuple[Any, ...]:
        letter, status = story.letter, story.status
        projected = "sent" if status in SENT else "failed" if status in GONE else status
        trouble = story.held_reason or story.last_case or status
        return (
            letter.id,  # one of each: the two tables may share it
            self.setting.practice_id,
            letter.appointment_id,
            letter.id,
            letter.kind,
            recipient,
            projected if projected in ("sent", "failed", "cancelled", "expired") else "pending",
            status,
            story.accepted_at,
            story.ended_at if status == "delivered" else None,
            trouble if status in TROUBLED else None,
            story.message_id,
            letter.written_at,
            letter.for_start,
            letter.lead_min,
        )

    def _text(self, story: Story, recipient: str) -> tuple[Any, ...]:
        letter, status = story.letter, story.status
        trouble = story.held_reason or story.last_case or status
        return (
            self.setting.practice_id,
            letter.client_id,
            recipient,
            "sms",
            story.accepted_at,
            status in SENT,
            trouble if status in TROUBLED else None,
            "appointment",
            letter.appointment_id,
            TEXT_STATUS.get(status, "pending"),
            letter.written_at,
            story.message_id,
            story.ended_at if status == "delivered" else None,
            story.last_case if status in GONE else None,
            letter.id,
            status,
            letter.appointment_id,
            letter.kind,
            letter.version,
            letter.for_start,
            letter.lead_min,
        )

    def _attempt(self, tried: Try, setting: Setting) -> tuple[Any, ...]:
        evidence, case = tried.evidence, tried.case
        return (
            tried.id,
            self.setting.practice_id,
            tried.lane_id,
            setting.credential_id,
            setting.integration,
            tried.purpose,
            tried.state,
            tried.key,
            WORKER,
            setting.deadline_s,
            tried.started_at,
            tried.finished_at,
            tried.took_ms,
            evidence.kind if evidence else None,
            evidence.http if evidence else None,
            evidence.code if evidence else None,
            tried.request_id,
            case.id if case else None,
            case.version if case else None,
            case.disposition.value if case else None,
            case.fault.value if case else None,
            tried.traceparent,
        )

    def _task(self, errand: Errand, letter: Letter) -> tuple[Any, ...]:
        done = errand.done_at < self.now
        return (
            errand.id,
            self.setting.practice_id,
            errand.for_role,
            errand.text,
            errand.case_id,
            letter.id,
            letter.client_id,
            "done" if done else "open",
            errand.topic,
            errand.created_at,
            errand.done_at if done else None,
        )

    def _is_new(self, listing: Listing, story: Story, recipient_key: str) -> bool:
        """Who is listed is not listed again; what was lifted is past, and may stand beside it."""
        if listing.lifted_at is not None:
            return True
        whom = (story.setting.integration, recipient_key)
        is_new = whom not in self.listed
        self.listed.add(whom)
        return is_new

    def _suppression(self, listing: Listing, story: Story, recipient_key: str) -> tuple[Any, ...]:
        letter = story.letter
        return (
            made_id(letter.id, "suppression"),
            self.setting.practice_id,
            story.setting.integration,
            recipient_key,
            letter.client_id,
            letter.id,
            listing.case_id,
            listing.reason,
            listing.at,
            listing.lifted_at,
            "front desk" if listing.lifted_at else None,
            listing.how,
            listing.actor,
        )

    def count_waiting(self) -> int:
        payload = DELIVERY.split().index("payload")
        return sum(row[payload] is not None for row in self.deliveries)

    async def write(self, owner: Owner) -> None:
        """In the caller's transaction. A timeline is read in the order of its numbers."""
        self.timeline.sort(key=itemgetter(0))
        # What is copied travels in binary, where jsonb is a version and its text.
        await owner.set_type_codec(
            "jsonb",
            schema="pg_catalog",
            format="binary",
            encoder=lambda value: b"\x01" + json.dumps(value).encode(),
            decoder=lambda raw: json.loads(raw[1:]),
        )
        for table, columns, rows in self._tables():
            await owner.copy_records_to_table(table, records=rows, columns=columns.split())

    def _tables(self) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
        yield "client", CLIENT, self.clients
        yield "appointment", APPOINTMENT, self.appointments
        yield "delivery", DELIVERY, self.deliveries
        yield "attempt", ATTEMPT, self.attempts
        yield "attempt_delivery", "attempt_id delivery_id practice_id", self.carried
        yield "appointment_notifications", NOTIFICATION, self.notifications
        yield "notification_logs", TEXT, self.texts
        yield "consent_entry", CONSENT, self.consents
        yield "timeline", TIMELINE, self.timeline
        yield "task", TASK, self.tasks
        yield "suppression", SUPPRESSION, self.suppressions
