"""Our own adapter against Twilio as the sandbox plays it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from mentalspace.engine.outbound import DeadlinedHttp, open_client
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.tests.conftest import CLIENT, NUMBER, SID, TOKEN, Customer, Hooks
from mentalspace.integrations.sms.twilio.adapter import GRACE, LOOK_AGAIN, TwilioAdapter
from mentalspace.integrations.sms.twilio.webhooks import parse, verify
from mentalspace.integrations.sms.twilio.wire import TRIAL_PREFIX
from mentalspace.kernel.delivery import Receipt, Status
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.event import Event, Incoming
from mentalspace.kernel.ids import reference_of
from mentalspace.kernel.integration import Credential, WebhookCall

SECRETS = {"account_sid": SID, "auth_token": TOKEN, "phone_number": NUMBER}
TEXT = Text(CLIENT, "Riverside Practice: Tuesday, June 2, 3:00 PM EDT.", "reminder", "en")
SENT = timedelta(seconds=5)


@pytest_asyncio.fixture(loop_scope="session")
async def twilio(customer: Customer, hooks: Hooks) -> AsyncIterator[TwilioAdapter]:
    async with open_client(live=False) as client:
        hook = f"{hooks.url}/v1/hooks/sms/default"
        credential = Credential("practice", "default", customer.base_url, SECRETS, hook)
        yield TwilioAdapter(DeadlinedHttp(client, 5.0), credential)


async def _asked(
    twilio: TwilioAdapter,
    *,
    age: timedelta = SENT,
    last: timedelta | None = None,
    taken: tuple[str, ...] = (),
    text: Text = TEXT,
) -> Receipt | Evidence | None:
    try:
        return await twilio.reconcile(
            text.to_bytes(),
            idempotency_key="k",
            first_attempt_age=age,
            last_send_age=last or age,
            taken=taken,
        )
    except ProviderError as error:
        return error.evidence


def _code(asked: Receipt | Evidence | None) -> str | None:
    assert isinstance(asked, Evidence)
    return asked.code


async def test_a_text_is_followed_by_its_callbacks(
    twilio: TwilioAdapter, customer: Customer, hooks: Hooks
) -> None:
    """Each callback is Twilio's, names the delivery by its address, and the last one ends it."""
    receipt = await twilio.send(TEXT.to_bytes(), idempotency_key="sms/1")
    callbacks = await hooks.first(3)
    events = []
    for got in callbacks:
        call = WebhookCall(got.body.encode(), got.headers, got.url)
        verify(call, SECRETS, customer.sandbox.world.kit.clock.now())
        [event] = parse(call.raw, got.url.partition("?")[2])
        assert isinstance(event, Event)
        assert event.provider_message_id == receipt.provider_message_id
        assert event.reference == reference_of("sms/1")
        events.append((event.kind, event.status))
    assert sorted(events) == [
        ("message.delivered", Status.DELIVERED),
        ("message.sending", None),
        ("message.sent", None),
    ]
    found = await twilio.look_up(receipt.provider_message_id)
    assert found is not None
    assert found.status is Status.DELIVERED


async def test_what_a_person_texts_is_read(
    twilio: TwilioAdapter,
    customer: Customer,
    hooks: Hooks,
) -> None:
    """An incoming text is verified at the same address, and is no event of ours."""
    customer.account(f"{hooks.url}/v1/hooks/sms/default")
    await customer.control(
        "POST", "/texts/sms/twilio", {"from": CLIENT, "to": NUMBER, "body": "¿1? + & ñ 😀"}
    )
    [got] = await hooks.first(1)
    call = WebhookCall(got.body.encode(), got.headers, got.url)
    verify(call, SECRETS, customer.sandbox.world.kit.clock.now())
    [said] = parse(call.raw, "")
    assert isinstance(said, Incoming)
    assert (said.sender.reveal(), said.body.reveal()) == (CLIENT, "¿1? + & ñ 😀")


@pytest.mark.parametrize(
    ("to", "http", "code"),
    [
        ("+15005550001", 400, "21211"),
        ("+15005550003", 400, "21408"),
        ("+15005550004", 400, "21610"),
        ("+15005550009", 400, "21614"),
    ],
)
async def test_a_refusal_is_known_by_its_number(
    twilio: TwilioAdapter, customer: Customer, to: str, http: int, code: str
) -> None:
    """Twilio's code is the evidence; its sentence, which quotes the number, is not shown."""
    customer.account(fates={to: code})
    with pytest.raises(ProviderError) as refused:
        await twilio.send(replace(TEXT, to=to).to_bytes(), idempotency_key="k")
    evidence = refused.value.evidence
    assert (evidence.kind, evidence.http, evidence.code) == ("http", http, code)
    assert to not in str(refused.value) + repr(evidence)


async def test_an_unknown_text_is_found_by_its_content(
    twilio: TwilioAdapter, customer: Customer
) -> None:
    """Recipient, sender and words tell which it is; another's is not it, and of two nobody can
    say."""
    await customer.send(Body="Something else")
    _, first = await customer.send(Body=TEXT.body)
    assert await _asked(twilio) == Receipt(first["sid"])
    _, second = await customer.send(Body=TRIAL_PREFIX + TEXT.body)
    assert await _asked(twilio) == Evidence("refused_locally", code="several_candidates")
    assert await _asked(twilio, taken=(first["sid"],)) == Receipt(second["sid"])
    other = replace(TEXT, to="+12025550143")
    assert _code(await _asked(twilio, text=other, age=GRACE)) == "nothing_newer_listed"
    assert await _asked(twilio, text=other, age=GRACE + SENT) is None
    customer.later(3600)
    before = await _asked(twilio, age=GRACE + SENT)  # an hour old: from before this attempt
    assert _code(before) == "nothing_newer_listed"
    assert await _asked(twilio, age=timedelta(hours=2), taken=(first["sid"],)) == Receipt(
        second["sid"]
    )


async def test_not_in_the_list_means_not_sent_only_beside_what_is_newer(
    twilio: TwilioAdapter, customer: Customer
) -> None:
    """However late the list is, it is looked at again until it shows the text, or something that
    is newer by more than a while; what was sent anew counts from then."""
    customer.account(list_lag_s=3600.0)
    _, sent = await customer.send(Body=TEXT.body)
    early = await _asked(twilio)
    assert early == Evidence(
        "http", http=200, code="not_listed_yet", retry_after_s=(GRACE - SENT).total_seconds()
    )
    anew = await _asked(twilio, age=timedelta(minutes=10), last=SENT)
    assert _code(anew) == "not_listed_yet"
    customer.later(600)
    await customer.send(To="+12025550143", Body="Another")
    customer.later(2400)
    assert await _asked(twilio, age=timedelta(seconds=3000)) == Evidence(
        "http", http=200, code="nothing_newer_listed", retry_after_s=LOOK_AGAIN.total_seconds()
    )
    customer.later(601)
    hour, missing = timedelta(seconds=3605), replace(TEXT, body="Never taken")
    assert await _asked(twilio, age=hour) == Receipt(sent["sid"])
    assert _code(await _asked(twilio, text=missing, age=hour)) == "nothing_newer_listed"
    customer.later(600)
    assert await _asked(twilio, text=missing, age=hour + timedelta(minutes=10)) is None


async def test_more_than_a_page_is_read(twilio: TwilioAdapter, customer: Customer) -> None:
    """The text is found behind others to the same number, on a later page."""
    _, sent = await customer.send(Body=TEXT.body)
    for number in range(3):
        await customer.send(Body=f"Another {number}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mentalspace.integrations.sms.twilio.wire.MOST_LISTED", 2)
        assert await _asked(twilio) == Receipt(sent["sid"])
        patch.setattr("mentalspace.integrations.sms.twilio.adapter.MOST_PAGES", 1)
        assert await _asked(twilio) == Evidence("refused_locally", code="list_too_long")


async def test_the_credential_is_checked_without_sending(
    twilio: TwilioAdapter, customer: Customer
) -> None:
    """A good account with its number; one suspended; one without that number; a wrong token."""
    assert await twilio.check() == "account and number accepted"
    for options, code in (
        ({"account_status": "suspended"}, "20005"),
        ({"numbers": ["+12025550199"]}, "21606"),
    ):
        customer.account(**options)
        with pytest.raises(ProviderError) as refused:
            await twilio.check()
        assert refused.value.evidence.code == code


async def test_lookup_tells_a_line_type(twilio: TwilioAdapter, customer: Customer) -> None:
    """Twilio's own word, or none where it has none."""
    customer.account(line_types={CLIENT: "landline"})
    assert await twilio.line_type(CLIENT) == "landline"
    assert await twilio.line_type("+12025550143") == "mobile"
    assert await twilio.line_type("+1202") is None
