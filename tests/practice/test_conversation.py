"""What a client's text does: once, to the right appointment, and with one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.db import connect_owner
from mentalspace.engine.inbox import Heard
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.suppression import suppress
from mentalspace.integrations.sms.model import Text, guard
from mentalspace.integrations.sms.segments import count
from mentalspace.kernel.event import Incoming
from mentalspace.kernel.phi import Phi
from mentalspace.practice.consent import Source, Speaker, opt_out
from mentalspace.practice.phone_line import learn_kind
from mentalspace.practice.reminder_policy import save_policy
from mentalspace.workflows.appointments import book
from tests.house import new_appointment
from tests.practice.office import Office

NUMBER, TYPED = "+12025550142", "(202) 555-0142"
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Line:
    """A practice that texts, and the telephone of one of its clients."""

    office: Office
    owner: asyncpg.Connection[Any]
    credential_id: UUID

    async def hear(self, body: str, *, sender: str = NUMBER, sid: str | None = None) -> None:
        said = Incoming(sid or uuid4().hex, Phi(sender), Phi(body), datetime.now(UTC), "received")
        heard = Heard(self.office.practice_id, self.credential_id, "sms", said, None)
        services = self.office.services
        async with services.database.as_worker(self.office.practice_id) as connection:
            await services.inbox.hear(connection, heard)

    async def booked(self, name: str = "a", *, hours: float = 72, asked: bool = True) -> UUID:
        """An appointment of client `name`, and the text about it, which has left."""
        services = self.office.services
        new = replace(
            new_appointment(
                f"{name}@demo.example", services.clock.now() + hours * HOUR, f"a-{hours}"
            ),
            client_phone=Phi(TYPED),
        )
        booked = (await book(services, self.office.claims, new)).appointment_id
        kind = "reminder" if asked else "appointment_created"
        async with services.database.as_worker(self.office.practice_id) as connection:
            delivery = NewDelivery(
                practice_id=self.office.practice_id,
                integration="sms",
                lane_class="bulk",
                kind=kind,
                idempotency_key=f"test/{booked}",
                payload=Text(NUMBER, "See you.", kind, "en").to_bytes(),
                recipient=Phi(NUMBER),
                subject_type="appointment",
                subject_id=booked,
            )
            text = await enqueue(connection, services.vault, delivery)
        for status in ("due", "sending", "accepted"):
            await self.owner.execute(
                "update delivery set status = $2, first_attempt_at = app.now() where id = $1",
                text,
                status,
            )
        return booked

    async def answers(self) -> list[str]:
        """What we texted back, oldest first: each one segment that our guard lets go."""
        rows = await self.owner.fetch(
            "select payload from delivery where integration = 'sms'"
            " and kind not in ('reminder', 'appointment_created') order by created_at, kind"
        )
        vault, found = self.office.services.vault, []
        for row in rows:
            raw = vault.open(self.office.practice_id, "delivery", row["payload"])
            text = Text.from_bytes(raw)
            assert (text.to, guard(raw)) == (NUMBER, None)
            assert (count(text.body).encoding, count(text.body).segments) == ("GSM-7", 1)
            found.append(text.kind)
        return found

    async def meanings(self) -> list[str]:
        rows = await self.owner.fetch("select meaning from text_message order by received_at")
        return [row["meaning"] for row in rows]

    async def tasks(self) -> list[dict[str, Any]]:
        return await self.office.fetch(
            "select text, client_id, state from task where topic = 'answer' order by created_at"
        )

    async def state(self, appointment_id: UUID) -> tuple[str, bool]:
        [row] = await self.office.fetch(
            "select status, confirmed_at from appointment where id = $1", appointment_id
        )
        return row["status"], row["confirmed_at"] is not None


@pytest.fixture
async def line(office: Office) -> AsyncIterator[Line]:
    async with connect_owner(office.services.admin_url) as owner:
        credential_id = await owner.fetchval(
            "select id from credential where practice_id = $1 and integration = 'sms'",
            office.practice_id,
        )
        yield Line(office, owner, credential_id)


async def test_one_confirms_once_and_is_answered_once(line: Line) -> None:
    """The webhook twice is one answer; the client saying it again is told once more, then no
    more; a mail's link knows it as confirmed, in the client's name."""
    asked = await line.booked()
    for _ in range(2):
        await line.hear(" 1. ", sid="SM1")
    assert (await line.state(asked), await line.answers()) == (
        ("scheduled", True),
        ["answer_confirmed"],
    )
    for _ in range(2):
        await line.hear("uno")
    assert await line.answers() == ["answer_confirmed"] * 2
    assert await line.meanings() == ["confirmed"] * 3
    audited = await line.office.fetch("select actor, action from audit")
    assert audited == [{"actor": "client by text", "action": "appointment.confirmed"}]


async def test_two_cancels_as_far_as_the_practice_allows(line: Line) -> None:
    """The reminder's mail is dropped, no second message tells of it, the calendar is a task; said
    again it is told once more. Later than the rules allow, the client is asked to call and the
    front desk to call them."""
    asked = await line.booked()
    for _ in range(3):
        await line.hear("2")
    assert await line.state(asked) == ("cancelled", False)
    assert await line.answers() == ["answer_called_off"] * 2
    assert set(await line.office.mails()) == {("created", "cancelled"), ("reminder", "cancelled")}
    assert len(await line.office.fetch("select 1 from task where text like 'Take out%'")) == 1
    async with line.office.services.database.as_user(line.office.claims) as connection:
        await save_policy(connection, line.office.practice_id, (1440,), 48)
    late = await line.booked(hours=47)
    await line.hear("2")
    assert await line.state(late) == ("scheduled", False)
    assert (await line.answers())[2:] == ["answer_too_late"]
    [task] = await line.tasks()
    assert "later than your rules" in task["text"]


async def test_what_is_not_clear_is_for_the_front_desk(line: Line) -> None:
    """A sentence, a 1 that two reminders wait for, a 1 to nothing: one open task, one word back."""
    await line.hear("Can we talk?", sender="+12025550199")
    first = await line.booked()
    for body in ("Running late, sorry", "Is parking free?"):
        await line.hear(body)
    second = await line.booked(hours=96)
    await line.hear("1")
    assert await line.meanings() == ["unknown_number", *["unclear"] * 3]
    assert [await line.state(each) for each in (first, second)] == [("scheduled", False)] * 2
    assert await line.answers() == ["answer_unclear"]
    [task] = await line.tasks()
    [client] = await line.office.fetch("select id from client")
    assert task == {**task, "client_id": client["id"], "state": "open"}


async def test_a_notice_is_answered_where_no_reminder_waits(line: Line) -> None:
    """Without a reminder 1 is about the next appointment that the client was told of; what was
    told of an earlier hour is answered by nothing."""
    later = await line.booked(hours=96, asked=False)
    nearer = await line.booked(hours=72, asked=False)
    await line.hear("2")
    await line.hear("1")
    assert [await line.state(each) for each in (nearer, later)] == [
        ("scheduled", True),
        ("scheduled", False),
    ]
    await line.owner.execute("update appointment set updated_at = app.now() + interval '1 s'")
    await line.hear("2")
    assert await line.meanings() == ["unclear", "confirmed", "unclear"]


async def test_one_telephone_of_two_clients(line: Line) -> None:
    """It is theirs whose appointment waits for an answer; where none does, the task names nobody,
    and neither does a text that is no answer."""
    await line.booked("a", asked=False)
    mine = await line.booked("b", hours=90)
    await line.hear("1")
    assert await line.state(mine) == ("scheduled", True)
    await line.hear("2")
    [task] = await line.tasks()
    assert (task["client_id"], "several clients share" in task["text"]) == (None, True)
    assert await line.answers() == ["answer_confirmed"]


async def test_consent_goes_before_any_answer(line: Line) -> None:
    """STOP, in a word or a sentence, ends texts; what is answered afterwards counts, but is not
    texted back. YES is no answer, and START brings texts back."""
    asked = await line.booked()
    await line.hear("please stop texting me")
    await line.hear("1")
    assert await line.state(asked) == ("scheduled", True)
    await line.hear("START")
    await line.hear("HELP")
    await line.hear("YES")
    assert await line.meanings() == ["stop", "confirmed", "start", "help", "unclear"]
    assert await line.answers() == [
        "opt_out_confirmation",
        "opt_in_confirmation",
        "help",
        "answer_unclear",
    ]


async def test_who_stopped_from_another_number_is_not_answered(line: Line) -> None:
    """Texts are stopped for the client, whatever number they have now: the front desk is asked, and
    no answer is written that the lane would refuse."""
    await line.booked()
    practice_id, vault = line.office.practice_id, line.office.services.vault
    [client] = await line.office.fetch("select id from client")
    old = Speaker(
        practice_id, "sms", vault.recipient_key(practice_id, "+12025550199"), client["id"]
    )
    async with line.office.services.database.as_worker(practice_id) as connection:
        await opt_out(connection, vault, old, Source("keyword", "client"))
    await line.hear("May I bring my dog?")
    assert await line.answers() == []
    assert [task["client_id"] for task in await line.tasks()] == [client["id"]]


@pytest.mark.parametrize(
    ("body", "reason", "answers"),
    [
        ("May I bring my dog?", None, ["answer_unclear"]),
        ("START", None, ["opt_in_confirmation"]),
        ("STOP", "opted_out", ["opt_out_confirmation"]),
    ],
)
async def test_a_text_from_a_landline_shows_that_it_is_none(
    line: Line, body: str, reason: str | None, answers: list[str]
) -> None:
    """Whatever it says, the number is called a landline no more, and what stood for that alone is
    lifted; a wish in it holds. A second text changes nothing more."""
    await line.booked()
    practice_id = line.office.practice_id
    key = line.office.services.vault.recipient_key(practice_id, NUMBER)
    async with line.office.services.database.as_worker(practice_id) as connection:
        await learn_kind(connection, practice_id, NUMBER, "landline", "carrier")
        await suppress(connection, practice_id, "sms", key, reason="landline")
    await line.hear(body)
    await line.hear("Thanks")
    [client] = await line.office.fetch("select phone_kind, phone_problem from client")
    assert (client["phone_kind"], client["phone_problem"]) == ("either", None)
    kind = await line.owner.fetchrow("select kind, told_by from phone_line")
    assert kind is not None and tuple(kind) == ("either", "client")
    stands = await line.owner.fetch("select reason from suppression where lifted_at is null")
    assert [row["reason"] for row in stands] == ([reason] if reason else [])
    assert (await line.answers())[:1] == answers


async def test_words_and_numbers_stay_sealed(line: Line, logs: Path) -> None:
    """Neither stands in any column that is not sealed, nor in a log."""
    await line.booked()
    for body in ("my secret zebra", "1"):
        await line.hear(body)
    found = await line.owner.fetch(
        "select string_agg(t::text, ' ') as said from timeline t"
        " union all select string_agg(t::text, ' ') from text_message t"
        " union all select string_agg(t::text, ' ') from task t"
        " union all select string_agg(t::text, ' ') from audit t"
        " union all select string_agg(t::text, ' ') from delivery t where integration = 'sms'"
    )
    logged = await asyncio.to_thread(logs.read_text)
    everything = " ".join(row["said"] or "" for row in found) + logged
    assert "zebra" not in everything
    assert NUMBER.removeprefix("+1") not in everything
    vault = line.office.services.vault
    rows = await line.owner.fetch("select body from text_message order by received_at")
    opened = [vault.open(line.office.practice_id, "text_message", row["body"]) for row in rows]
    assert opened == [b"my secret zebra", b"1"]
