"""The doctor over texts: failures by their codes, whose it is, and how carriers see us."""

from __future__ import annotations

import secrets
from datetime import timedelta

from mentalspace.cli.doctor import WIDTH, screen
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.doctor import Report
from tests.house import House, until
from tests.journeys.test_text_journey import book_by_text, telephones

ENDED = {"delivered", "bounced", "failed", "refused"}


async def look(house: House) -> Report:
    [report] = await house.app.doctor(house.services, "sms")
    return report


async def send(house: House, to: str, body: str = "Hello") -> None:
    claims = system_claims(house.practice_id)
    async with house.services.database.as_user(claims) as connection:
        new = NewDelivery(
            practice_id=house.practice_id,
            integration="sms",
            lane_class="interactive",
            kind="sample",
            idempotency_key=secrets.token_hex(8),
            payload=Text(to, body, "sample", "en").to_bytes(),
            recipient=Phi(to),
        )
        await enqueue(connection, house.services.vault, new)


async def test_failures_are_told_by_their_codes_on_one_screen(house: House) -> None:
    """A telephone that is off, a landline, spam, a number that is none: each code is counted,
    times stand against their target, and the sender is seen to be well."""
    await telephones(house, {"+12025550147": "30003", "+12025550148": "30006"})
    for n in range(1, 9):
        await send(house, f"+1202555014{n}")
    await send(house, "+12025550111", "Click here now!")
    await send(house, "+1234")
    await until(lambda: _ended(house, 10))
    await house.advance(timedelta(minutes=16))
    report = await look(house)
    shown = screen(report)
    assert shown.startswith("SMS: WELL.")
    for check in ("account", "sender", "registration", "answers"):
        assert {f.state for f in report.findings if f.check == check} == {"good"}
    plain = " ".join(shown.split())
    for words in (
        "Delivery rate 6 of 7 ",
        "Late (over 30 s) 0 of 6 ",
        "Failure rate by code 4 of 10 ",
        "Opt-out rate 0 of 6 ",
        "Codes of 30 d: 30003 1, 30006 1, 30007 1, sms.invalid_number 1",
        "Half and 95% within",
    ):
        assert words in plain
    assert len(shown.splitlines()) <= 45
    assert all(len(line) <= WIDTH for line in shown.splitlines())
    assert "2025550147" not in shown


async def test_the_seeds_query_shows_a_text_that_did_not_arrive(house: House) -> None:
    """The client chose texts, and their telephone is off: the runbook's own query finds it on
    the doctor's screen, with the number's last two digits and no more."""
    await telephones(house, {"*": "30003"})
    await book_by_text(house, falls_back=False)
    await until(lambda: _ended(house, 1))
    report = await look(house)
    [seed] = [answer for answer in report.answers if "notification_logs" in answer.sql]
    assert seed.sql.startswith("-- Check Twilio logs (via Twilio Console)\n")
    [row] = [dict(zip(seed.columns, row, strict=True)) for row in seed.rows]
    assert (row["status"], row["error_code"]) == ("undelivered", "sms.handset_unreachable")
    assert row["recipient_phone"] == "***47"
    shown = screen(report)
    assert "***47" in shown
    assert len(shown.splitlines()) <= 45


async def test_a_refused_registration_is_ours(house: House) -> None:
    """Twilio answers every call, and carriers refuse every text: the first line says it."""
    await house.sandbox("PUT", "/options/sms/twilio", {"campaign_status": "FAILED"})
    report = await look(house)
    assert screen(report).startswith("SMS: OURS. registration: A2P campaign refused (FAILED)")
    assert not report.ok


async def test_an_outage_of_twilio_is_theirs(house: House) -> None:
    """Answers of 503 and a status page that admits it."""
    await house.sandbox("POST", "/break/sms/twilio", {"preset": "down"})
    said = {"indicator": "critical", "description": "SMS are delayed"}
    await house.sandbox("PUT", "/status-pages/sms/twilio", said)
    report = await look(house)
    assert report.verdict.whose == "theirs"
    assert "sms.server_error" in report.verdict.text
    assert "SMS are delayed" in screen(report)


async def _ended(house: House, count: int) -> bool:
    return len([row for row in await house.deliveries() if row["status"] in ENDED]) == count
