"""What the doctor says of a practice's number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from mentalspace.integrations.sms.sender.expected import Account, Registration, Sender, Service
from mentalspace.integrations.sms.sender.judge import judge
from mentalspace.integrations.sms.twilio.registration import (
    Asked,
    kind_of,
    messaging_base,
    read_sender,
)
from mentalspace.integrations.sms.twilio.sandbox import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.sandbox.running import Running, running_sandbox

HERE = "https://clinic.example/v1/hooks/sms/default"
WELL = Sender(
    account=Account("active"),
    number="+12025550123",
    kind="long code",
    exists=True,
    can_text=True,
    registration=Registration("approved", "A2P campaign", "VERIFIED"),
    answers_go_to=HERE,
    we_listen_at=HERE,
    service=Service("MG1", ("+12025550123",)),
)


def test_a_number_that_is_well_has_no_cure() -> None:
    """Account, service, number, registration and answers are looked at, and each is good."""
    findings = judge(WELL, "Twilio")
    assert {f.check: f.state for f in findings} == {
        "account": "good",
        "service": "good",
        "sender": "good",
        "registration": "good",
        "answers": "good",
    }
    assert not any(f.cure for f in findings)


@pytest.mark.parametrize(
    ("sender", "check", "state", "says"),
    [
        (replace(WELL, account=Account("suspended")), "account", "bad", "suspended"),
        (replace(WELL, account=Account("active", trial=True)), "account", "warning", "trial"),
        (replace(WELL, service=None, service_missing=True), "service", "bad", "not there"),
        (replace(WELL, service=Service("MG1")), "service", "bad", "no number"),
        (replace(WELL, service=Service("MG1", ("+1",))), "service", "warning", "not among"),
        (replace(WELL, exists=False), "sender", "bad", "no number of this account"),
        (replace(WELL, can_text=False), "sender", "bad", "cannot send"),
        (
            replace(WELL, registration=Registration("pending", "A2P campaign", "IN_PROGRESS")),
            "registration",
            "warning",
            "IN_PROGRESS",
        ),
        (
            replace(WELL, registration=Registration("refused", "toll-free verification")),
            "registration",
            "bad",
            "refused",
        ),
        (
            replace(WELL, registration=Registration("missing", "A2P campaign")),
            "registration",
            "bad",
            "carriers refuse",
        ),
        (replace(WELL, answers_go_to=None), "answers", "bad", "nowhere"),
        (replace(WELL, answers_go_to="https://old.example"), "answers", "bad", "elsewhere"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(
    sender: Sender, check: str, state: str, says: str
) -> None:
    """Nobody's guess: each trouble has its own words; what waits for others has no cure."""
    [found] = [f for f in judge(sender, "Twilio") if f.check == check]
    assert found.state == state
    assert says in found.text
    assert found.cure or found.whose == "theirs"


def test_a_broken_number_is_not_blamed_for_its_registration() -> None:
    """What cannot send at all is said alone: the rest would only distract."""
    checks = {f.check for f in judge(replace(WELL, exists=False), "Twilio")}
    assert checks == {"account", "service", "sender"}


@pytest.mark.parametrize(
    ("number", "kind"),
    [("+12025550123", "long code"), ("+18885550123", "toll-free number"), ("72975", "short code")],
)
def test_a_numbers_kind_follows_from_its_digits(number: str, kind: str) -> None:
    """Each kind is registered in another way."""
    assert kind_of(number) == kind


def test_the_messaging_api_has_its_own_host_at_twilio_only() -> None:
    """A sandbox plays both under one address."""
    assert messaging_base("https://api.twilio.com") == "https://messaging.twilio.com"
    assert messaging_base("http://127.0.0.1:8") == "http://127.0.0.1:8"


# What Twilio tells ----------------------------------------------------------------------------


@dataclass
class Twilio:
    """The sandbox as its demo customer reads it, and the ways it may be changed."""

    sandbox: Running
    http: aiohttp.ClientSession

    async def ask(self, url: str) -> Mapping[str, Any]:
        async with self.http.get(url) as answer:
            if answer.status != 200:
                raise ProviderError(Evidence("http", http=answer.status))
            found: Mapping[str, Any] = await answer.json()
            return found

    async def sender(
        self, number: str | None, service: str | None = None, **options: Any
    ) -> Sender:
        base = f"{self.sandbox.url}/sms/twilio"
        self.sandbox.world.kit.options.put("sms", "twilio", options)
        return await read_sender(self.ask, Asked(base, DEMO_ACCOUNT_SID, number, service, HERE))


@pytest_asyncio.fixture(loop_scope="session")
async def twilio(tmp_path: Path) -> AsyncIterator[Twilio]:
    headers = {"Authorization": aiohttp.encode_basic_auth(DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN)}
    async with running_sandbox(tmp_path) as sandbox, aiohttp.ClientSession(headers=headers) as http:
        yield Twilio(sandbox, http)


async def test_what_is_told_of_a_number(twilio: Twilio) -> None:
    """Its account, whether it can text, and the campaign of whichever service holds it."""
    number = "+15005550006"
    well = await twilio.sender(number)
    assert (well.exists, well.can_text, well.kind) == (True, True, "long code")
    assert well.registration == Registration("approved", "A2P campaign", "VERIFIED")
    waiting = await twilio.sender(number, campaign_status="IN_PROGRESS")
    assert waiting.registration.standing == "pending"
    assert (await twilio.sender(number, campaign_status="")).registration.standing == "missing"
    elsewhere = await twilio.sender(number, services={"MG1": {"numbers": ["+12025550100"]}})
    assert elsewhere.registration.standing == "missing"
    assert not (await twilio.sender(number, voice_only=[number])).can_text
    assert not (await twilio.sender("+12025550101")).exists


async def test_what_is_told_of_services_and_other_numbers(twilio: Twilio) -> None:
    """A service that is not there; a toll-free number's verification; a short code's nothing."""
    assert (await twilio.sender("+15005550006", "MG9", services={"MG1": {}})).service_missing
    found = await twilio.sender("+15005550006", "MG1")
    assert found.service == Service("MG1", ("+15005550006",))
    toll_free = await twilio.sender(
        "+18885550123", numbers=["+18885550123", "72975"], tollfree_status="TWILIO_REJECTED"
    )
    assert toll_free.registration == Registration(
        "refused", "toll-free verification", "TWILIO_REJECTED"
    )
    short = await twilio.sender("72975")
    assert (short.exists, short.registration.standing) == (True, "needless")


async def test_a_suspended_account_is_no_answer(twilio: Twilio) -> None:
    """Twilio refuses every question then; the provider's check says why."""
    with pytest.raises(ProviderError):
        await twilio.sender("+15005550006", account_status="suspended")
