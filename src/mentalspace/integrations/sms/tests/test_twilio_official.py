"""Twilio's own package, unmodified, in both its forms, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.rest import Client

from mentalspace.integrations.sms.tests.conftest import CLIENT, NUMBER, SID, TOKEN, Customer, Hooks
from mentalspace.integrations.sms.twilio.sandbox import TEST_ACCOUNT_SID, TEST_AUTH_TOKEN

# The package authorises in a way that aiohttp will give up with its next version.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

Run = Callable[..., Awaitable[Any]]
Connect = Callable[[str, str], Any]


@pytest_asyncio.fixture(loop_scope="session", params=["sync", "async"])
async def package(
    request: pytest.FixtureRequest, customer: Customer
) -> AsyncIterator[tuple[Connect, Run]]:
    """How to make a client of the package, and to call one of its functions, in either form."""
    web = AsyncTwilioHttpClient() if request.param == "async" else None

    def connect(sid: str, token: str) -> Any:
        client = Client(sid, token, http_client=web)
        for domain in (client.api, client.messaging, client.lookups):
            domain.base_url = customer.base_url
        return client

    async def run(of: Any, name: str, **fields: Any) -> Any:
        if web is not None:
            return await getattr(of, f"{name}_async")(**fields)
        return await asyncio.to_thread(getattr(of, name), **fields)

    yield connect, run
    if web is not None:
        await web.close()


async def _refusal(run: Run, of: Any, name: str, **fields: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as refused:
        await run(of, name, **fields)
    assert refused.value.code is not None
    return refused.value.status, refused.value.code


async def test_a_message_lives_its_life(
    customer: Customer, package: tuple[Connect, Run], hooks: Hooks
) -> None:
    """Created as queued, delivered a little later, listed, redacted, and deleted."""
    connect, run = package
    client = connect(SID, TOKEN)
    made = await run(
        client.messages, "create", to=CLIENT, from_=NUMBER, body="Hi", status_callback=hooks.url
    )
    assert (made.status, made.num_segments, made.error_code) == ("queued", "1", None)
    told = await hooks.first(3)
    assert [one.form["MessageStatus"] for one in told] == ["sending", "sent", "delivered"]
    found = await run(client.messages(made.sid), "fetch")
    assert (found.status, found.to, found.from_) == ("delivered", CLIENT, NUMBER)
    assert found.date_sent >= found.date_created
    for _more in range(2):
        await run(client.messages, "create", to=CLIENT, from_=NUMBER, body="More")
    await run(client.messages, "create", to="+12025550199", from_=NUMBER, body="Another")
    listed = await run(client.messages, "list", to=CLIENT, page_size=2)
    assert len({one.sid for one in listed}) == 3
    day = datetime.now(UTC).date()
    gone = await run(client.messages, "list", to=CLIENT, date_sent_before=day - timedelta(days=1))
    assert gone == []
    redacted = await run(client.messages(made.sid), "update", body="")
    assert redacted.body == ""
    assert await run(client.messages(made.sid), "delete")
    assert await _refusal(run, client.messages(made.sid), "fetch") == (404, 20404)


async def test_a_scheduled_message_is_cancelled_while_it_waits(
    customer: Customer, package: tuple[Connect, Run]
) -> None:
    """With a messaging service; and never once it is on its way."""
    connect, run = package
    client = connect(SID, TOKEN)
    services = await run(client.messaging.v1.services, "list")
    when = datetime.now(UTC) + timedelta(hours=1)
    fields = {"to": CLIENT, "body": "Later", "send_at": when, "schedule_type": "fixed"}
    service = services[0].sid
    made = await run(client.messages, "create", messaging_service_sid=service, **fields)
    assert made.status == "scheduled"
    assert (await run(client.messages(made.sid), "update", status="canceled")).status == "canceled"
    sent = await run(
        client.messages, "create", to=CLIENT, messaging_service_sid=service, body="Now"
    )
    assert (sent.status, sent.from_) == ("accepted", None)
    late = {"status": "canceled"}
    assert await _refusal(run, client.messages(sent.sid), "update", **late) == (409, 30409)
    assert await _refusal(run, client.messages, "create", from_=NUMBER, **fields) == (400, 35118)


async def test_the_account_and_its_senders_are_shown(
    customer: Customer, package: tuple[Connect, Run]
) -> None:
    """What a doctor asks: the account, its numbers, its service, and the registration."""
    connect, run = package
    client = connect(SID, TOKEN)
    customer.account(campaign_status="FAILED", line_types={"+1202555018*": "landline"})
    assert (await run(client.api.v2010.accounts(SID), "fetch")).status == "active"
    numbers = await run(client.incoming_phone_numbers, "list")
    assert [(one.phone_number, one.capabilities["sms"]) for one in numbers] == [(NUMBER, True)]
    service = (await run(client.messaging.v1.services, "list"))[0]
    pool = await run(client.messaging.v1.services(service.sid).phone_numbers, "list")
    assert [one.phone_number for one in pool] == [NUMBER]
    campaigns = await run(client.messaging.v1.services(service.sid).us_app_to_person, "list")
    assert [one.campaign_status for one in campaigns] == ["FAILED"]
    wanted = {"fields": "line_type_intelligence"}
    numbers_v2 = client.lookups.v2.phone_numbers
    line = await run(numbers_v2("+12025550187"), "fetch", **wanted)
    assert (line.valid, line.line_type_intelligence["type"]) == (True, "landline")
    assert (await run(numbers_v2("+1234"), "fetch")).validation_errors == ["TOO_SHORT"]


async def test_test_credentials_know_the_magic_numbers_alone(
    customer: Customer, package: tuple[Connect, Run], hooks: Hooks
) -> None:
    """Each has its code; nothing is called back; every other resource is a 403."""
    connect, run = package
    client = connect(TEST_ACCOUNT_SID, TEST_AUTH_TOKEN)
    good = "+15005550006"
    for field, last, expected in (
        ("from_", "1", (400, 21212)),
        ("from_", "7", (400, 21606)),
        ("from_", "8", (429, 21611)),
        ("to", "1", (400, 21211)),
        ("to", "2", (400, 21612)),
        ("to", "3", (400, 21408)),
        ("to", "4", (400, 21610)),
        ("to", "9", (400, 21614)),
    ):
        ends = {"from_": good, "to": CLIENT, field: f"+1500555000{last}"}
        assert await _refusal(run, client.messages, "create", body="Hi", **ends) == expected
    made = await run(
        client.messages, "create", to=CLIENT, from_=good, body="Hi", status_callback=hooks.url
    )
    assert made.status == "queued"
    page = f"{customer.sandbox.url}/sms/messages/{made.sid}"
    async with customer.http.get(page) as answer:
        assert "[TEST MODE] Would send SMS" in await answer.text()
    assert await _refusal(run, client.messages(made.sid), "fetch") == (403, 20008)
    assert customer.sandbox.world.kit.hooks.all() == []


async def test_each_refusal_has_its_code_and_status(
    customer: Customer, package: tuple[Connect, Run]
) -> None:
    """What an account may not do, and what no request may say."""
    connect, run = package
    customer.account(
        numbers=[NUMBER, "+12025550101"],
        voice_only=["+12025550101"],
        fates={"+12025550121": "21614", "+12025550122": "21612"},
    )
    client = connect(SID, TOKEN)
    usual = {"to": CLIENT, "from_": NUMBER, "body": "Hi"}
    for changed, expected in (
        ({"to": "+1234"}, (400, 21211)),
        ({"to": "+447700900123"}, (400, 21408)),
        ({"to": "+12025550121"}, (400, 21614)),
        ({"to": "+12025550122"}, (400, 21612)),
        ({"from_": "12"}, (400, 21212)),
        ({"from_": "+12025550177"}, (400, 21606)),
        ({"from_": "+12025550101"}, (400, 21606)),
        ({"body": "x" * 1601}, (400, 21617)),
        ({"body": ""}, (400, 21602)),
        ({"media_url": ["https://example.org/a.png"]}, (400, 21620)),
        ({"status_callback": "https://example.org/"}, (400, 21609)),
        ({"validity_period": 36001}, (400, 20001)),
        ({"messaging_service_sid": "MG" + "0" * 32}, (404, 21701)),
    ):
        fields = {**usual, **changed}
        assert await _refusal(run, client.messages, "create", **fields) == expected, changed
    wrong = connect(SID, "0" * 32)
    assert await _refusal(run, wrong.messages, "create", **usual) == (401, 20003)
    customer.account(trial=True)
    assert await _refusal(run, client.messages, "create", **usual) == (400, 21608)
    slow = connect("AC" + "3" * 32, TOKEN)
    customer.sandbox.world.kit.accounts.put(
        "sms", "twilio", f"AC{'3' * 32}:{TOKEN}", rate_per_s=1, profile={"phone_number": NUMBER}
    )
    await run(slow.messages, "create", **usual)
    assert await _refusal(run, slow.messages, "create", **usual) == (429, 20429)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"callback_format": "json"},
        {"signature": "HMAC_SHA256", "shared_key_secret": "a shared key's secret"},
        {"signature_port": "dropped"},
    ],
)
async def test_the_validator_accepts_what_we_sign(
    customer: Customer, hooks: Hooks, options: dict[str, Any]
) -> None:
    """Callbacks and inbound texts alike; and nothing that was changed on the way."""
    account = customer.account(hooks.url + "/in", **options)
    await customer.send(StatusCallback=f"{hooks.url}/status?ref=a%20b", Body="Olá & tschüß")
    phones = customer.sandbox.world.phones("sms")
    assert phones is not None
    phones.text(account, CLIENT, NUMBER, "¿A qué hora? = & +")
    validator = RequestValidator(options.get("shared_key_secret", TOKEN))
    for one in await hooks.first(4):
        algorithm = get_signature_algorithm(one.headers.get(SIGNATURE_SETTINGS_HEADER.lower()))
        assert algorithm == options.get("signature", "HMAC_SHA1")
        signature = one.headers[SIGNATURE_HEADER.lower()]
        is_json = "bodySHA256" in one.url
        said = one.body if is_json else one.form
        assert validator.validate(one.url, said, signature, algorithm), one.url
        changed = one.body + " " if is_json else {**one.form, "To": "+12025550000"}
        assert not validator.validate(one.url, changed, signature, algorithm)
