"""What Resend says is taken for what it may be, and for nothing that could quote a person."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.resend.wire import (
    error_of,
    is_for_tests,
    message_id,
    refuse_outside_tests,
    verify_signature,
)
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.integration import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def mail(to: str, sender: str = "noreply@mentalspace.app") -> bytes:
    return Mail(sender, "reply@mentalspace.app", to, "s", "t", "<p>t</p>", "reminder").to_bytes()


@pytest.mark.parametrize(
    ("to", "passes"),
    [
        ("delivered@resend.dev", True),
        ("Bounced+week-4@Resend.dev", True),
        ("complained+a+b@resend.dev", True),
        ("suppressed@resend.dev", True),
        ("suppressed+x@resend.dev", False),
        ("delivered+@resend.dev", False),
        ("delivered@resend.dev.clients.example", False),
        ("delivered@resend.dev, zelda@clients.example", False),
        ("zelda@clients.example", False),
        ("onboarding@resend.dev", False),
    ],
)
def test_only_test_addresses_pass_a_credential_for_tests(to: str, passes: bool) -> None:
    """Under the flag Resend's own test recipients pass and nobody else; without it all do."""
    evidence = refuse_outside_tests(mail(to), True)
    assert (evidence is None) == passes
    assert evidence is None or evidence.summary() == "refused_locally test_mode"
    assert refuse_outside_tests(mail(to), False) is None


@pytest.mark.parametrize("sender", ["onboarding@resend.dev", "Acme <Onboarding@resend.dev>"])
def test_the_test_sender_reaches_test_addresses_only(sender: str) -> None:
    """A mail from Resend's onboarding address is for tests, whatever its credential."""
    assert refuse_outside_tests(mail("zelda@clients.example", sender), False) is not None
    assert refuse_outside_tests(mail("delivered@resend.dev", sender), False) is None


def test_a_key_that_begins_with_test_is_for_tests() -> None:
    """The first runbook's prefix is kept, although Resend has no such keys."""
    assert is_for_tests({"api_key": "test_1234"})
    assert not is_for_tests({"api_key": "re_test_1234"})


def answer(body: Any) -> Answer:
    return Answer(422, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("validation_error", "validation_error"),
        ("zelda@clients.example", None),
        ("ZeldaQuillfeather", None),
        ("zelda quillfeather", None),
        ("x" * 65, None),
        ({"to": "zelda"}, None),
    ],
)
def test_only_a_name_of_an_error_is_a_code(name: Any, code: str | None) -> None:
    """A code goes into logs and timelines, so prose in its place is left out."""
    assert error_of(answer({"name": name, "message": "m"}), None).evidence.code == code


def test_only_an_id_is_a_mails_id() -> None:
    """An id is shown to on-call and becomes part of an address, so nothing else passes for one."""
    assert message_id(answer({"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})).startswith("49a3")
    for found in (
        "zelda@clients.example",
        "../domains",
        "",
        "a b",
        "x" * 101,
        {"to": "z"},
        None,
        7,
    ):
        with pytest.raises((ValueError, TypeError)):
            message_id(answer({"id": found}))


def test_an_empty_secret_signs_nothing() -> None:
    """A secret that is only its prefix would let anybody sign, so it refuses every webhook."""
    stamp = str(int(NOW.timestamp()))
    mac = hmac.digest(b"", f"msg_1.{stamp}.".encode() + b"{}", hashlib.sha256)
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": stamp,
        "svix-signature": "v1," + base64.b64encode(mac).decode(),
    }
    with pytest.raises(WebhookRefused) as refused:
        verify_signature(b"{}", headers, "whsec_", NOW)
    assert refused.value.code == "secret"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Invalid `from` field.", "Invalid `from` field."),
        ("Invalid `from`  field", "Invalid `from` field."),
        (
            "The clinic.zelda-quinn.example domain is not verified. Please, add and verify your"
            " domain on https://resend.com/domains",
            "The … domain is not verified. Please, add and verify your domain on"
            " https://resend.com/domains",
        ),
        (
            "You can only send testing emails to your own email address (zelda@clients.example). To"
            " send emails to other recipients, please verify a domain at resend.com/domains, and"
            " change the `from` address to an email using this domain.",
            "You can only send testing emails to your own email address (…). To send emails to"
            " other recipients, please verify a domain at resend.com/domains, and change the `from`"
            " address to an email using this domain.",
        ),
        ("Invalid `from` field. zelda@clients.example", None),
        ("Invalid `zelda` field.", None),
        ("zelda@clients.example: API key is invalid.", None),
        ("Zelda Quinn is no recipient of ours", None),
        ("Invalid `to` field.\nzelda@clients.example", None),
        ("x" * 100_000, None),
        (["API key is invalid."], None),
    ],
)  # fmt: skip
def test_what_it_says_is_told_only_in_words_that_are_known(message: Any, said: str | None) -> None:
    """A documented sentence is told, without what it quotes; any other is not, nor in the name."""
    body = {"message": message, "name": "zelda@clients.example"}
    evidence = error_of(Answer(422, {}, json.dumps(body).encode()), None).evidence
    assert evidence.said == said
    assert "zelda" not in f"{evidence.said} {evidence.code} {evidence!r}".lower()
