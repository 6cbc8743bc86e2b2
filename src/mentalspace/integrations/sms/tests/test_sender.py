"""What the doctor says of a practice's number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mentalspace.integrations.sms.sender.expected import Account, Registration, Sender, Service
from mentalspace.integrations.sms.sender.judge import judge
from mentalspace.integrations.sms.twilio.registration import kind_of, messaging_base

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
        (
            replace(WELL, registration=Registration("untold", "A2P campaign"), service=None),
            "registration",
            "warning",
            "without a messaging service",
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
