"""Numbers through the whole house: looked up before the first text, learnt from the carrier."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mentalspace.engine.db import connect_owner
from mentalspace.kernel.phi import Phi
from mentalspace.workflows import number_lookup
from mentalspace.workflows.client_reach import change_reach
from mentalspace.workflows.demo import system_claims
from tests.house import House, until
from tests.journeys.test_quiet_texts import (
    BEN,
    LEFT,
    THREE_DAYS,
    _book,
    _choose,
    _noon,
    _rows,
    _said,
    _text,
)
from tests.journeys.test_text_journey import telephones

NUMBERS, KIM = "/v2/PhoneNumbers/", "+12025550153"
TEXTS = {"reminders_by": "text", "changes_by": "text"}


async def test_a_landline_is_known_before_the_first_text(house: House) -> None:
    """Twilio is asked once, and no text leaves: its news goes by mail, as the reminder will, and
    the client's record says why. The next booking asks nothing."""
    await house.sandbox("PUT", "/options/sms/twilio", {"line_types": {BEN: "landline"}})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ben", BEN, zone=_noon(house), **TEXTS)
    await _book(house, "ben", starts_at, "ben-1")
    await until(lambda: _rows(house, "ben", "email", LEFT))
    await until(lambda: _two(house, "refused"))
    [text] = await _rows(house, "ben", "sms", {"refused"}, "appointment_created")
    assert await _said(house, text["id"], "number_looked_up") == [{"kind": "landline"}]
    [met] = await _said(house, text["id"], "classified")
    assert (met["case"], met["refused_locally"]) == ("sms.not_a_mobile", True)
    assert await _client(house) == ("landline", "landline")
    await _book(house, "ben", starts_at, "ben-2")
    await until(lambda: _mails(house, 2))
    assert await _rows(house, "ben", "sms", LEFT) == []
    assert len(await _asked(house)) == 1
    assert len(await _tasks(house)) == 1


async def test_a_look_up_that_fails_or_hangs_holds_up_no_text(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused or without an answer, the text goes to a number of unknown kind, and the timeline
    says so; a mobile is asked about once, however many texts follow."""
    monkeypatch.setattr(number_lookup, "ANSWER_WITHIN_S", 0.5)
    await telephones(house, {})
    starts_at = house.services.clock.now() + THREE_DAYS
    faults: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("ana", "+12025550151", {"kind": "status", "name": "20003"}, "sms.unauthorized"),
        ("ben", "+12025550152", {"kind": "hang"}, "sms.no_answer"),
    )
    for name, number, fault, case in faults:
        where = {"room": "sms", "provider": "twilio", "path": NUMBERS, "times": 1}
        await house.sandbox("POST", "/faults", {**fault, **where})
        await _choose(house, name, number, zone=_noon(house), **TEXTS)
        await _book(house, name, starts_at, f"{name}-1")
        [text] = await until(partial(_rows, house, name, "sms", LEFT))
        assert await _said(house, text["id"], "number_looked_up") == [{"case": case}]
    async with connect_owner(house.services.admin_url) as owner:
        lanes = await owner.fetch("select distinct state from lane where integration = 'sms'")
        assert [lane["state"] for lane in lanes] == ["open"], "a look-up pauses no lane"
    await _choose(house, "kim", KIM, zone=_noon(house), **TEXTS)
    for count in (1, 2, 3):
        await _book(house, "kim", starts_at, f"kim-{count}")
    await until(lambda: _three(house))
    assert len([path for path in await _asked(house) if path.split("?")[0].endswith("0153")]) == 1
    async with connect_owner(house.services.admin_url) as owner:
        kind = await owner.fetchval("select phone_kind from client where phone_e164 = $1", KIM)
    assert kind == "mobile"


@pytest.mark.parametrize("falls_back", [True, False])
async def test_one_dead_number_is_one_task(house: House, falls_back: bool) -> None:
    """The carrier's 30006 ends the text and whatever waits behind it: the client's record says
    landline, the front desk has one task in all, and another number clears it."""
    await telephones(house, {BEN: "30006"})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ben", BEN, zone=_noon(house), **TEXTS)
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update client set text_falls_back = $1", falls_back)
    await _book(house, "ben", starts_at, "ben-1")
    await _book(house, "ben", starts_at, "ben-2")
    await until(lambda: _settled(house, 4))
    assert await _client(house) == ("landline", "landline")
    [task] = await _tasks(house)
    assert ("No mail went in its place" in task) is not falls_back
    await _book(house, "ben", starts_at, "ben-3")
    assert {row["status"] for row in await _texts(house)} == {"bounced", "refused"}
    async with connect_owner(house.services.admin_url) as owner:
        client = await owner.fetchval("select id from client where phone_e164 = $1", BEN)
    claims = system_claims(house.practice_id)
    await change_reach(house.services, claims, client, None, Phi("202 555 0199"))
    assert await _client(house) == ("either", None)
    assert await _tasks(house) == []


async def test_a_text_from_a_landline_takes_the_word_back(house: House) -> None:
    """The carrier calls the number a landline, and the client texts from it: it is texted again,
    nobody is asked for another, and the ledger hears of no wish. Their STOP holds all the same."""
    await telephones(house, {BEN: "30006"})
    starts_at = house.services.clock.now() + THREE_DAYS
    await _choose(house, "ben", BEN, zone=_noon(house), **TEXTS)
    await _book(house, "ben", starts_at, "ben-1")
    await until(lambda: _settled(house, 2))
    assert await _client(house) == ("landline", "landline")
    assert len(await _tasks(house)) == 1
    await telephones(house, {})
    await _text(house, "Is parking free?", BEN)
    assert await _client(house) == ("either", None)
    assert await _tasks(house) == ["A client has texted: read it and answer."]
    assert [word for word in await _ledger(house) if word != "agreed"] == ["unreachable", "lifted"]
    await _book(house, "ben", starts_at, "ben-2")
    await until(lambda: _rows(house, "ben", "sms", LEFT, "appointment_created"))
    await _text(house, "STOP", BEN)
    assert (await _ledger(house))[-1] == "opted_out"


_TEXTS = """
select d.status from delivery d where d.integration = 'sms' and d.kind not like 'opt%'
"""


async def _texts(house: House) -> list[Any]:
    async with connect_owner(house.services.admin_url) as owner:
        return list(await owner.fetch(_TEXTS))


async def _settled(house: House, count: int) -> bool:
    """The bookings' texts have ended, two of each, and nothing waits."""
    statuses = [row["status"] for row in await _texts(house)]
    return len(statuses) == count and set(statuses) <= {"bounced", "refused"}


async def _two(house: House, status: str) -> list[Any]:
    found = await _rows(house, "ben", "sms", {status})
    return found if len(found) == 2 else []


async def _mails(house: House, count: int) -> bool:
    return len(await _rows(house, "ben", "email", LEFT, "appointment_created")) == count


async def _three(house: House) -> bool:
    return len(await _rows(house, "kim", "sms", LEFT, "appointment_created")) == 3


async def _client(house: House) -> tuple[str, str | None]:
    async with connect_owner(house.services.admin_url) as owner:
        row = await owner.fetchrow(
            "select phone_kind, phone_problem from client where external_id like '%ben%'"
        )
    assert row is not None
    return row["phone_kind"], row["phone_problem"]


async def _tasks(house: House) -> list[str]:
    async with connect_owner(house.services.admin_url) as owner:
        rows = await owner.fetch("select text from task where state = 'open'")
    return [row["text"] for row in rows]


async def _ledger(house: House) -> list[str]:
    """What the consent ledger says of texts, the oldest first."""
    async with connect_owner(house.services.admin_url) as owner:
        rows = await owner.fetch("select what from consent_entry where channel = 'sms' order by id")
    return [row["what"] for row in rows]


async def _asked(house: House) -> list[str]:
    """The look-ups that Twilio has seen."""
    found = []
    for account in await house.sandbox("GET", "/accounts"):
        if account["room"] == "sms":
            requests = await house.sandbox("GET", f"/recorder?account={account['id']}")
            found += [r["path"] for r in requests if NUMBERS in r["path"]]
    return found
