"""The consent ledger: one history of everything that ends or resumes the writing to somebody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.claim import claim, give_back
from mentalspace.engine.db import connect_owner
from mentalspace.engine.inbox import Heard
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.suppression import list_recipient, suppress, unlist_recipient
from mentalspace.integrations.sms.model import Text, guard
from mentalspace.integrations.sms.render import keyword_text
from mentalspace.integrations.sms.segments import count
from mentalspace.kernel.event import Incoming
from mentalspace.kernel.phi import Phi
from mentalspace.practice.saying.facts import Language, Letterhead
from mentalspace.practice.text_consent import why_not_texted
from mentalspace.workflows.consent_texts import (
    HELP,
    RESUMED,
    STOPPED,
    hear_help,
    hear_start,
    hear_stop,
)
from tests.practice.office import Office

NUMBER = "+12125550142"
LANGUAGES: tuple[Language, ...] = ("en", "es")
PRACTICES = (("Riverside Counseling", "+1 212 555 0100"), ("Clínica Año Nuevo", None))


@pytest.fixture
async def texting(office: Office) -> UUID:
    """A practice that texts: its credential."""
    services = office.services
    async with connect_owner(services.admin_url) as owner:
        return await give_sms(owner, office)


async def give_sms(owner: Any, office: Office) -> UUID:
    found = await owner.fetchval(
        "select id from credential where practice_id = $1 and integration = 'sms'",
        office.practice_id,
    )
    if found:
        return UUID(str(found))
    sealed = office.services.vault.seal(office.practice_id, "credential", b"{}")
    credential_id: UUID = await owner.fetchval(
        "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
        " secrets, rate_per_s) values ($1, 'sms', 'twilio', 'texts', 'http://127.0.0.1:9', false,"
        " $2, 1) returning id",
        office.practice_id,
        sealed,
    )
    await owner.execute(
        "insert into lane (practice_id, credential_id, integration, provider, class)"
        " select $1, $2, 'sms', 'twilio', unnest(array['interactive', 'bulk'])",
        office.practice_id,
        credential_id,
    )
    return credential_id


def message(office: Office, credential_id: UUID, *, done: str | None = None) -> Heard:
    said = Incoming(f"SM{uuid4().hex}", Phi(NUMBER), Phi("…"), datetime.now(UTC), "received", done)
    return Heard(office.practice_id, credential_id, "sms", said, None)


async def text_tomorrow(
    office: Office, number: str = NUMBER, client_id: UUID | None = None
) -> UUID:
    services = office.services
    async with services.database.as_worker(office.practice_id) as connection:
        made = await enqueue(
            connection,
            services.vault,
            NewDelivery(
                practice_id=office.practice_id,
                integration="sms",
                lane_class="bulk",
                kind="reminder",
                idempotency_key=f"test/{uuid4()}",
                payload=Text(number, "See you tomorrow.", "reminder", "en").to_bytes(),
                recipient=Phi(number),
                due_at=services.clock.now() + timedelta(days=1),
                client_id=client_id,
            ),
        )
    assert made is not None
    return made


async def ledger(office: Office) -> list[tuple[str, str]]:
    rows = await office.fetch("select what, how from consent_entry order by id")
    return [(row["what"], row["how"]) for row in rows]


async def answers(office: Office) -> list[tuple[str, Text]]:
    async with office.services.database.as_worker(office.practice_id) as connection:
        rows = await connection.fetch(
            "select kind, payload from delivery where despite_suppression order by created_at"
        )
    vault = office.services.vault
    return [
        (r["kind"], Text.from_bytes(vault.open(office.practice_id, "delivery", r["payload"])))
        for r in rows
    ]


async def test_stop_start_and_help(office: Office, texting: UUID) -> None:
    """STOP ends all texts to the number: what waits is hurried to its refusal, the opt-out stands
    by the last text, and one text says so, to repeat it says nothing. HELP is answered then as
    well, once. START lifts it and says so; YES then changes nothing."""
    services = office.services
    waits = await text_tomorrow(office)
    who: dict[str, Any] = {"client_id": None, "language": "en"}
    async with services.database.as_worker(office.practice_id) as connection:
        said = []
        for hear in (hear_stop, hear_stop, hear_help, hear_help, hear_start, hear_start):
            said.append(await hear(connection, services.vault, message(office, texting), **who))
            if len(said) == 2:
                row = await connection.fetchrow(
                    "select d.next_attempt_at <= app.now() as at_once, s.reason, s.delivery_id"
                    " from delivery d, suppression s where d.id = $1 and s.lifted_at is null",
                    waits,
                )
                assert dict(row) == {
                    "at_once": True, "reason": "opted_out", "delivery_id": waits
                }  # fmt: skip
    assert said == [True, False, None, None, True, False]
    assert await ledger(office) == [
        ("opted_out", "keyword"),
        ("opted_out", "keyword"),
        ("asked_help", "keyword"),
        ("asked_help", "keyword"),
        ("opted_in", "keyword"),
    ]
    sent = await answers(office)
    assert sorted(kind for kind, _ in sent) == sorted([STOPPED, HELP, RESUMED])
    assert {text.to for _, text in sent} == {NUMBER}
    told = await office.fetch("select data from timeline where kind = 'suppressed'")
    assert told == [{"data": {"case": None, "reason": "opted_out"}}]


async def test_the_provider_has_answered(office: Office, texting: UUID) -> None:
    """Where the provider handled the keyword itself, the ledger says the same, and we nothing."""
    async with office.services.database.as_worker(office.practice_id) as connection:
        for hear, done in ((hear_stop, "STOP"), (hear_help, "HELP"), (hear_start, "START")):
            heard = message(office, texting, done=done)
            await hear(connection, office.services.vault, heard, client_id=None, language="en")
    assert [what for what, _ in await ledger(office)] == ["opted_out", "asked_help", "opted_in"]
    assert await answers(office) == []


async def test_start_from_another_number(office: Office, texting: UUID) -> None:
    """A client's STOP follows them to a new number, and so START from there takes it back; a
    second one changes nothing."""
    vault, practice_id = office.services.vault, office.practice_id
    [made] = await office.fetch(
        "insert into client (practice_id, external_id, name) values ($1, 'mover', 'Mo Ver')"
        " returning id",
        practice_id,
    )
    new_key = vault.recipient_key(practice_id, "+12125550143")
    heard = message(office, texting)
    moved = replace(heard, message=replace(heard.message, sender=Phi("+12125550143")))
    who: dict[str, Any] = {"client_id": made["id"], "language": "en"}
    async with office.services.database.as_worker(practice_id) as connection:
        await hear_stop(connection, vault, message(office, texting), **who)
        asked = (connection, practice_id, made["id"], new_key)
        assert await why_not_texted(*asked) == "the client wants no texts"
        assert await hear_start(connection, vault, moved, **who)
        assert await why_not_texted(*asked) is None
        assert not await hear_start(connection, vault, moved, **who)


async def test_stop_from_an_old_number_stops_what_waits_for_the_new_one(
    office: Office, texting: UUID
) -> None:
    """Written before, to the number they have now, it meets the lane at once, which refuses it; a
    text to somebody else goes. START lets the next one go."""
    vault, practice_id = office.services.vault, office.practice_id
    [made] = await office.fetch(
        "insert into client (practice_id, external_id, name) values ($1, 'mover', 'Mo Ver')"
        " returning id",
        practice_id,
    )
    waits = await text_tomorrow(office, "+12125550143", made["id"])
    elses = await text_tomorrow(office, "+12125550144")
    who: dict[str, Any] = {"client_id": made["id"], "language": "en"}
    async with office.services.database.as_worker(practice_id) as connection:
        await hear_stop(connection, vault, message(office, texting), **who)
        hurried = await connection.fetch(
            "select id from delivery where next_attempt_at <= app.now() and kind = 'reminder'"
        )
        assert [row["id"] for row in hurried] == [waits]
    assert await _suppressed(office) == {waits: "opted_out", elses: None}
    async with office.services.database.as_worker(practice_id) as connection:
        await hear_start(connection, vault, message(office, texting), **who)
    assert await _suppressed(office) == {waits: None, elses: None}


async def _suppressed(office: Office) -> dict[UUID, str | None]:
    """Of each reminder, why a lane that took it up would refuse it, if it would."""
    async with connect_owner(office.services.admin_url) as owner:
        await owner.execute(
            "update delivery set status = 'due', next_attempt_at = app.now()"
            " where kind = 'reminder'"
        )
        lane_id = await owner.fetchval("select lane_id from delivery where kind = 'reminder'")
    async with office.services.database.as_worker(office.practice_id) as connection:
        claimed = await claim(connection, office.services.vault, lane_id, 10, "worker:test")
        await give_back(connection, claimed)
    return {each.id: each.suppressed for each in claimed}


async def test_nobody_is_agreed_without_a_word_in_the_ledger(office: Office) -> None:
    """Whoever writes that a client agreed to texts, the database asks who said so, and when the
    transaction ends; the entry may come before or after."""
    [made] = await office.fetch(
        "insert into client (practice_id, external_id, name) values ($1, 'one', 'Una Word')"
        " returning id",
        office.practice_id,
    )
    agree = "update client set text_agreed_at = app.now() where id = $1"
    write = (
        "insert into consent_entry (practice_id, recipient_key, client_id, channel, what, how,"
        " actor) select practice_id, 'k', id, $2, 'agreed', 'staff', 'Sam' from client"
        " where id = $1"
    )
    async with connect_owner(office.services.admin_url) as owner:
        for channel in (None, "email"):
            with pytest.raises(asyncpg.CheckViolationError, match="nobody wrote down"):
                async with owner.transaction():
                    await owner.execute(agree, made["id"])
                    if channel is not None:
                        await owner.execute(write, made["id"], channel)
        async with owner.transaction():
            await owner.execute(agree, made["id"])
            await owner.execute(write, made["id"], "sms")
        kept = await owner.fetchval("select text_agreed_at from client where id = $1", made["id"])
    assert kept is not None


async def test_every_suppression_is_in_the_ledger(office: Office) -> None:
    """Bounces, complaints, the provider's list and its end, whoever writes them: one history, in
    which an opt-out outranks what stood before without a word of its lifting."""
    practice_id = office.practice_id
    async with office.services.database.as_worker(practice_id) as connection:
        await suppress(connection, practice_id, "email", "a", reason="bounced", how="webhook")
        await suppress(connection, practice_id, "email", "b", reason="complained", how="webhook")
        await list_recipient(connection, practice_id, "email", "c")
        await unlist_recipient(connection, practice_id, "email", "c")
        await suppress(connection, practice_id, "sms", "d", reason="landline", how="check")
        await suppress(connection, practice_id, "sms", "d", reason="opted_out")
        standing = await connection.fetch(
            "select reason from suppression where recipient_key = 'd' and lifted_at is null"
        )
    assert [row["reason"] for row in standing] == ["opted_out"]
    assert await ledger(office) == [
        ("bounced", "webhook"),
        ("complained", "webhook"),
        ("unreachable", "webhook"),
        ("lifted", "webhook"),
        ("unreachable", "check"),
        ("opted_out", "provider"),
    ]


async def test_nobody_changes_the_ledger(office: Office) -> None:
    """Neither a worker nor the database's owner, but for a note sealed anew."""
    async with office.services.database.as_worker(office.practice_id) as connection:
        await suppress(connection, office.practice_id, "sms", "d", reason="opted_out")
    async with connect_owner(office.services.admin_url) as owner:
        for sql in (
            "update consent_entry set what = 'agreed'",
            "update consent_entry set note = 'x'",
            "delete from consent_entry",
            "truncate consent_entry",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.execute(sql)


@pytest.mark.parametrize(("practice", "phone"), PRACTICES)
def test_what_a_keyword_gets(practice: str, phone: str | None) -> None:
    """Each answer names the practice, may leave by our own rules, and is one segment where the
    practice's name is in the cheap alphabet."""
    for kind in (STOPPED, RESUMED, HELP):
        for language in LANGUAGES:
            text = keyword_text(kind, Letterhead(practice, phone, language), NUMBER, 300)
            assert text.body.startswith(f"{text.may_say[1]}: ")
            assert guard(text.to_bytes()) is None, text.body
            assert count(text.body).segments == 1, text.body
            assert (phone is None or kind != HELP) or phone in text.body
