"""A text through the whole house: perhaps sent, never heard of again, and what Twilio tells us."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from twilio.request_validator import RequestValidator

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.silence import MOST_QUESTIONS
from mentalspace.engine.unknown import read_long_unknown
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.integration import hook_url
from mentalspace.kernel.phi import Phi
from tests.house import House, until
from tests.journeys.test_text_journey import telephones

CLIENT = "+12025550142"
MESSAGE = "SM" + "0" * 32
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


async def test_an_unknown_text_is_shown_while_twilio_is_down(house: House) -> None:
    """Taken, the answer lost, no callback, the list late, then Twilio down: within a quarter of an
    hour a person sees it. When Twilio is back it is found, and there is one text."""
    await house.sandbox("PUT", "/options/sms/twilio", {"list_lag_s": 90})
    for fault in (
        {"kind": "status", "http": 503, "method": "GET"},
        {"kind": "hook_drop"},
        {"kind": "reset", "when": "after", "method": "POST", "times": 1},
    ):
        await house.sandbox("POST", "/faults", {"room": "sms", "provider": "twilio", **fault})
    delivery = await text(house)
    await until(lambda: status_is(house, delivery, "unknown"))
    await house.advance(timedelta(minutes=10))
    await until(lambda: told(house, delivery, "unknown_shown"))
    async with house.services.database.as_oncall() as connection:
        [shown] = await read_long_unknown(connection)
    assert (shown.integration, shown.provider, shown.number) == ("sms", "twilio", 1)
    await house.sandbox("DELETE", "/faults")
    await house.advance(timedelta(hours=1))
    await until(lambda: status_is(house, delivery, "accepted", "delivered"))
    assert len(await texts_at_twilio(house)) == 1
    async with house.services.database.as_oncall() as connection:
        assert await read_long_unknown(connection) == []


async def test_a_list_that_lags_brings_no_second_text(house: House) -> None:
    """Taken, the answer lost, no callback, and a list that is an hour late: a person sees it, it is
    looked for, and nothing goes a second time; in the end it is found. That it is not listed yet is
    a healthy answer: of it and the lost one before it, the breaker counts the lost one alone."""
    await house.sandbox("PUT", "/options/sms/twilio", {"list_lag_s": 3600})
    for fault in ({"kind": "hook_drop"}, {"kind": "reset", "when": "after", "times": 1}):
        await house.sandbox("POST", "/faults", {"room": "sms", "provider": "twilio", **fault})
    delivery = await text(house)
    await until(lambda: last_case_is(house, "sms.look_again"))
    async with house.services.database.as_oncall() as connection:
        recent = await connection.fetchval(
            "select s.recent from credential_state s join delivery d using (credential_id)"
        )
    assert recent == "FS"
    await house.advance(timedelta(minutes=10))
    await until(lambda: told(house, delivery, "unknown_shown"))
    await until(lambda: answered(house, delivery, "nothing_newer_listed", 1))
    other = await text(house, "+12025550143")
    await until(lambda: status_is(house, other, "accepted", "delivered"))
    await house.advance(timedelta(minutes=30))
    await until(lambda: answered(house, delivery, "nothing_newer_listed", 2))
    assert len(await texts_at_twilio(house)) == 2
    # A look between the ledger's clock and the sandbox's may still find nothing: one more follows.
    for step in (timedelta(minutes=25), timedelta(minutes=10)):
        await house.advance(step)
    await until(lambda: status_is(house, delivery, "accepted", "delivered"))
    assert len(await texts_at_twilio(house)) == 2


async def test_a_silent_text_is_asked_after_and_then_flagged(house: House) -> None:
    """Sent and never heard of again, it is fetched a few times, ever later, then flagged, and is
    where a person looks."""
    await telephones(house, {CLIENT: "silent"})
    delivery = await text(house)
    await until(lambda: status_is(house, delivery, "accepted"))
    for number in range(MOST_QUESTIONS):
        assert not await told(house, delivery, "silent")
        await house.advance(timedelta(minutes=16) * 2**number)
        await until(partial(asked, house, delivery, number + 1))
    await until(lambda: told(house, delivery, "silent"))
    assert await status_is(house, delivery, "accepted")
    assert len(await texts_at_twilio(house)) == 1


async def test_twilio_reads_twiml_and_a_refusal_says_why(house: House) -> None:
    """Signed forms of a callback and of a client's text get TwiML, twice the same; what is not
    signed, not to be read, or of another account gets a 4xx in plain words."""
    async with connect_owner(house.services.admin_url) as owner:
        secrets = await read_secrets(owner, house.services.vault, "sms", "default")
    assert secrets is not None
    ours = {"MessageSid": MESSAGE, "AccountSid": secrets["account_sid"]}
    callback = {**ours, "MessageStatus": "sent", "SmsStatus": "sent"}
    said = {**ours, "SmsStatus": "received", "From": CLIENT, "To": "+15005550006", "Body": "Hi ñ"}
    for fields in (callback, callback, said):
        assert await post(house, secrets, fields) == (200, "text/xml", TWIML)
    other = {**callback, "AccountSid": "AC" + "0" * 32}
    for fields, key, refusal in (
        (callback, "forged", (401, "webhook_signature")),
        (other, None, (403, "webhook_account")),
        ({"MessageStatus": "sent"}, None, (400, "webhook_body")),
    ):
        http, kind, body = await post(house, secrets, fields, key)
        assert (http, kind) == (refusal[0], "application/problem+json")
        assert refusal[1] in body
    url = f"{house.url}/v1/hooks/sms/default"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with house.http.post(url, data=b"Body=%FF", headers=form) as answer:
        assert answer.status == 400
    async with house.services.database.as_worker(house.practice_id) as connection:
        kept = await connection.fetchval("select count(*) from inbox where integration = 'sms'")
    assert kept == 2


async def post(
    house: House, secrets: dict[str, str], fields: dict[str, str], key: str | None = None
) -> tuple[int, str, str]:
    """A form as Twilio posts it, signed by this key or by the credential's own."""
    public = hook_url(house.services.settings.site_url, "sms", "default")
    validator = RequestValidator(key or secrets["auth_token"])
    headers = {"X-Twilio-Signature": validator.compute_signature(public, fields)}
    url = f"{house.url}/v1/hooks/sms/default"
    async with house.http.post(url, data=fields, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.text()


async def text(house: House, to: str = CLIENT) -> UUID:
    """Put one text into the ledger; its id."""
    new = NewDelivery(
        practice_id=house.practice_id,
        integration="sms",
        lane_class="interactive",
        kind="reminder",
        idempotency_key=f"sms/test/{to}",
        payload=Text(to, "See you at 9.", "reminder", "en").to_bytes(),
        recipient=Phi(to),
    )
    async with house.services.database.as_worker(house.practice_id) as connection:
        delivery = await enqueue(connection, house.services.vault, new)
    assert delivery is not None
    return delivery


async def status_is(house: House, delivery: UUID, *statuses: str) -> bool:
    return any(
        one["id"] == delivery and one["status"] in statuses for one in await house.deliveries()
    )


async def told(house: House, delivery: UUID, kind: str) -> bool:
    return kind in await house.timeline(delivery)


async def last_case_is(house: House, case: str) -> bool:
    return any(one["last_case"] == case for one in await house.deliveries())


async def answered(house: House, delivery: UUID, code: str, times: int) -> bool:
    """Whether its questions were answered so, at least so often."""
    async with house.services.database.as_oncall() as connection:
        count = await connection.fetchval(
            "select count(*) from attempt a join attempt_delivery d on d.attempt_id = a.id"
            " where d.delivery_id = $1 and a.code = $2",
            delivery,
            code,
        )
    return bool(count >= times)


async def asked(house: House, delivery: UUID, times: int) -> bool:
    async with house.services.database.as_worker(house.practice_id) as connection:
        row = await connection.fetchrow("select questions from delivery where id = $1", delivery)
    return row is not None and row["questions"] == times


async def texts_at_twilio(house: House) -> list[dict[str, Any]]:
    return [one for one in await house.sandbox("GET", "/mailbox") if one["room"] == "sms"]
