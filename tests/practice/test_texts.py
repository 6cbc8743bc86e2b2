"""Who is told by text, who by mail, and what happens to the news a text could not bring."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.db import connect_owner
from mentalspace.engine.inbox import Heard
from mentalspace.engine.steps import StepContext
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.case import classify
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.event import Incoming
from mentalspace.kernel.phi import Phi
from mentalspace.main import MentalSpace
from mentalspace.practice.reach import By, Reach, ways_of
from mentalspace.practice.reminder_policy import ReminderChoice
from mentalspace.workflows.appointments import book, cancel, reschedule
from mentalspace.workflows.consent_texts import hear_start, hear_stop
from mentalspace.workflows.reminder_rules import choose_reminders
from tests.house import new_appointment, write_agreements
from tests.practice.office import Office

ADDRESS, NUMBER, TYPED = "client@demo.example", "+12025550142", "(202) 555-0142"
TEN_DAYS = timedelta(days=10)

# The seed runbook's own query, to the letter.
SEED = """
SELECT * FROM notification_logs
WHERE notification_type = 'sms'
AND status IN ('failed', 'undelivered')
AND created_at > NOW() - INTERVAL '7 days';
"""


@pytest.mark.parametrize(
    ("by", "reach", "email", "text"),
    [
        ("email", Reach(Phi(NUMBER)), True, False),
        ("text", Reach(Phi(NUMBER), "mobile"), False, True),
        ("both", Reach(Phi(NUMBER), "either"), True, True),
        ("text", Reach(Phi(NUMBER), "landline"), True, False),
        ("text", Reach(Phi(NUMBER), "landline", falls_back=False), False, False),
        ("text", Reach(None, typed=True), True, False),
        ("text", Reach(Phi(NUMBER), texts=False), True, False),
        ("text", Reach(Phi(NUMBER), "mobile", stopped="the client wants no texts"), True, False),
        ("both", Reach(None), True, False),
    ],
)
def test_the_clients_choice_is_kept_as_far_as_their_number_allows(
    by: By, reach: Reach, email: bool, text: bool
) -> None:
    """What cannot be texted goes by mail if the client allows that, and the reason is told."""
    for kind, chosen in (("reminder", {"reminders_by": by}), ("created", {"changes_by": by})):
        ways = ways_of(replace(reach, **chosen), kind)  # type: ignore[arg-type]
        assert (ways.email, ways.text) == (email, text)
        assert (ways.why_no_text is None) == (text or by == "email")


async def _book(office: Office, admin_url: str, by: str, *, falls_back: bool = True) -> UUID:
    """A client who chose so before, and an appointment in ten days."""
    early = replace(
        new_appointment(ADDRESS, office.services.clock.now() + TEN_DAYS, "a-0"),
        client_phone=Phi(TYPED),
        status="cancelled",
    )
    await book(office.services, office.claims, early)
    owner = await asyncpg.connect(admin_url)
    await write_agreements(owner)
    await owner.execute(
        "update client set reminders_by = $1, changes_by = $1, text_agreed_at = now(),"
        " text_falls_back = $2",
        by,
        falls_back,
    )
    await owner.close()
    new = new_appointment(ADDRESS, office.services.clock.now() + TEN_DAYS, "a-1")
    return (await book(office.services, office.claims, new)).appointment_id


async def _texts(office: Office) -> list[tuple[str, str]]:
    rows = await office.fetch(
        "select occasion, status from notification_logs order by created_at, occasion"
    )
    return [(row["occasion"], row["status"]) for row in rows]


async def test_a_booking_a_move_and_a_cancellation_are_told_by_text_alone(
    office: Office, admin_url: str
) -> None:
    """As the client chose: no mail, each change cancels what waits, and texts carry their hours."""
    appointment_id = await _book(office, admin_url, "text")
    assert await _texts(office) == [("created", "pending"), ("reminder", "pending")]
    starts_at = office.services.clock.now() + TEN_DAYS + timedelta(hours=3)
    await reschedule(office.services, office.claims, appointment_id, starts_at=starts_at)
    await cancel(office.services, office.claims, appointment_id)
    assert sorted(await _texts(office)) == [
        ("cancelled", "pending"),
        ("created", "cancelled"),
        ("reminder", "cancelled"),
        ("reminder", "cancelled"),
        ("updated", "cancelled"),
    ]
    assert await office.mails() == []
    rows = await office.fetch("select recipient_phone from notification_logs")
    assert {row["recipient_phone"] for row in rows} == {NUMBER}
    async with office.services.database.as_worker(office.practice_id) as connection:
        kept = await connection.fetch("select payload, hours from delivery")
    week = {"zones": ["America/Chicago"], "week": [[480, 1260]] * 7}
    assert all(row["hours"] == week for row in kept)
    vault = office.services.vault
    texts = [Text.from_bytes(vault.open(office.practice_id, "delivery", r[0])) for r in kept]
    assert sum("STOP" in text.body for text in texts) == 1


async def test_a_choice_is_followed_by_what_waits_and_no_hour_is_told_of_twice(
    office: Office, admin_url: str
) -> None:
    """To both and back: one reminder by each way, and the database refuses a second text."""
    await _book(office, admin_url, "both")
    assert await office.mails() == [("created", "pending"), ("reminder", "pending")]
    client = (await office.fetch("select id from client"))[0]["id"]
    choice = ReminderChoice(True, (120,))
    assert await choose_reminders(office.services, office.claims, client, choice)
    assert sorted(await _texts(office)) == [
        ("created", "pending"), ("reminder", "cancelled"), ("reminder", "pending"),
    ]  # fmt: skip
    owner = await asyncpg.connect(admin_url)
    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute(
            "insert into notification_logs (practice_id, notification_type, appointment_id,"
            " for_start, lead_min) select practice_id, notification_type, appointment_id,"
            " for_start, lead_min from notification_logs where status = 'pending'"
            " and occasion = 'reminder'"
        )
    await owner.close()


async def test_who_texts_stop_is_told_by_mail_until_they_text_start(
    office: Office, admin_url: str
) -> None:
    """STOP follows the client to another number, START brings texts back; what is not texted says
    why."""
    await _book(office, admin_url, "text")
    client, credential = await _client_and_credential(office)
    assert [kind for kind, _ in await _texts(office)] == ["created", "reminder"]
    await _hear(office, hear_stop, credential, client)
    await _book_again(office, "a-2")
    async with connect_owner(admin_url) as owner:
        await owner.execute("update client set phone_e164 = '+12025550143'")
    await _book_again(office, "a-3")
    assert [kind for kind, _ in await _texts(office)] == ["created", "reminder"]
    assert [kind for kind, _ in await office.mails()] == ["created", "reminder"] * 2
    said = await office.fetch("select data from timeline where kind = 'text_not_written'")
    assert [line["data"]["reason"] for line in said] == ["the client wants no texts"] * 4
    await _hear(office, hear_start, credential, client)
    await _book_again(office, "a-4")
    assert [kind for kind, _ in await _texts(office)] == ["created", "reminder"] * 2
    assert len(await office.mails()) == 4


async def _client_and_credential(office: Office) -> tuple[UUID, UUID]:
    [row] = await office.fetch(
        "select c.id as client, k.id as credential from client c join credential k"
        " on k.practice_id = c.practice_id and k.integration = 'sms'"
    )
    return row["client"], row["credential"]


async def _hear(office: Office, word: Any, credential: UUID, client: UUID) -> None:
    """As the inbox does, in its transaction."""
    said = Incoming(f"SM{uuid4().hex}", Phi(NUMBER), Phi("…"), datetime.now(UTC), "received")
    heard = Heard(office.practice_id, credential, "sms", said, None)
    async with office.services.database.as_worker(office.practice_id) as connection:
        assert await word(connection, office.services.vault, heard, client_id=client, language="en")


async def _book_again(office: Office, external_id: str) -> None:
    starts_at = office.services.clock.now() + TEN_DAYS
    await book(office.services, office.claims, new_appointment(ADDRESS, starts_at, external_id))


@pytest.mark.parametrize(
    ("by", "falls_back", "changed", "mails", "said"),
    [
        ("text", True, False, ["created"], "told_by_mail"),
        ("text", False, False, [], "not_told_otherwise"),
        ("both", True, False, ["created", "reminder"], "not_told_otherwise"),
        ("text", True, True, [], "not_told_otherwise"),
    ],
)
async def test_what_a_text_could_not_tell_goes_by_mail_once(
    office: Office,
    admin_url: str,
    tmp_path: Path,
    by: str,
    falls_back: bool,
    changed: bool,
    mails: list[str],
    said: str,
) -> None:
    """Unless the client wants none, it went by mail anyway, or it holds no more; without a mail the
    front desk has a task where the news still holds. The seed's query finds the text."""
    appointment_id = await _book(office, admin_url, by, falls_back=falls_back)
    owner = await asyncpg.connect(admin_url)
    row = await owner.fetchrow("select * from delivery where kind = 'appointment_created'"
                               " and integration = 'sms'")  # fmt: skip
    for status in ("due", "sending", "accepted", "bounced"):
        await owner.execute("update delivery set status = $2 where id = $1", row["id"], status)
    if changed:
        await owner.execute("update appointment set version = 2 where id = $1", appointment_id)
    for _ in range(2):
        await _fall_back(office, row, tmp_path)
    assert [kind for kind, _ in await office.mails()] == mails
    lines = await owner.fetch("select kind from timeline where delivery_id = $1", row["id"])
    assert {line["kind"] for line in lines} >= {said}
    tasks = await owner.fetchval("select count(*) from task")
    assert tasks == (1 if not falls_back else 0)
    assert [found["id"] for found in await owner.fetch(SEED)] == [
        await owner.fetchval("select id from notification_logs where delivery_id = $1", row["id"])
    ]
    await owner.close()


async def _fall_back(office: Office, row: Any, home: Path) -> None:
    app = MentalSpace({**office.services.settings.environment, "MENTALSPACE_HOME": str(home)})
    cases = office.services.runbooks.room("sms").cases_for("twilio")
    evidence = Evidence("event", code="30003")
    async with office.services.database.as_worker(office.practice_id) as connection:
        context = StepContext(
            connection=connection,
            practice_id=office.practice_id,
            delivery_id=row["id"],
            client_id=row["client_id"],
            subject_id=row["subject_id"],
            lane_id=row["lane_id"],
            credential_id=row["credential_id"],
            case=classify(cases, evidence),
            evidence=evidence,
            params={"to": "email"},
            drill=None,
        )
        await app.acting(office.services.vault).actions()["fall_back"](context)
