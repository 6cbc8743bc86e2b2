"""What Resend says is taken for what it may be, and for nothing that could quote a person."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mentalspace.integrations.email.resend.wire import error_of, message_id, verify_signature
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.integration import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


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
