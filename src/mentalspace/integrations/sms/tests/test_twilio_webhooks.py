"""Twilio's webhooks: what its own validator accepts, and what neither may."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from mentalspace.integrations.sms.twilio import webhooks
from mentalspace.integrations.sms.twilio.wire import STATUS_OF, callback_url
from mentalspace.kernel.delivery import Status
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.event import Event, Incoming
from mentalspace.kernel.integration import WebhookCall

SID, MESSAGE = "AC" + "a" * 32, "SM" + "b" * 32
SECRETS = {"account_sid": SID, "auth_token": "t0ken", "webhook_key": "sh4red", "phone_number": "+1"}
URL = "https://clinic.example/v1/hooks/sms/default?ref=" + "c" * 32
NOW = datetime(2026, 11, 25, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
SETTINGS = "x-twilio-webhooks-signature-settings"
FIELDS = {
    "MessageSid": MESSAGE,
    "MessageStatus": "undelivered",
    "ErrorCode": "30003",
    "AccountSid": SID,
    "To": "+12025550142",
    "Body": "ñ 😀 & = +",
    "Empty": "",
}

SIGNATURE = "x-twilio-signature"
GOOD = urlencode(FIELDS).encode()
# The page of bad numbers, bodies and callbacks is written by running these.
TAMPERED: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("another reference in the address", {"url": URL[:-1] + "d"}, "signature"),
    ("http instead of https", {"url": URL.replace("https", "http")}, "signature"),
    ("a field more", {"raw": GOOD + b"&Extra=1"}, "signature"),
    ("another error code", {"raw": GOOD.replace(b"30003", b"30005")}, "signature"),
    ("no signature", {"headers": {SIGNATURE: ""}}, "header"),
    ("a signature that is not ASCII", {"headers": {SIGNATURE: "é"}}, "signature"),
    ("a signature without end", {"headers": {SIGNATURE: "a" * 5000}}, "header"),
    ("an unknown algorithm", {"headers": {SETTINGS: "algorithm=NONE"}}, "header"),
    ("another algorithm", {"headers": {SETTINGS: "key=1,algorithm=HMAC_SHA256"}}, "signature"),
    ("a form that is not UTF-8", {"raw": b"Body=%FF"}, "body"),
    ("JSON that no hash covers", {"headers": {"content-type": "application/json"}}, "signature"),
)
UNREADABLE: tuple[tuple[bytes, str], ...] = (
    (b"MessageSid=SM1&MessageStatus=delivered", "body"),
    (f"MessageSid={MESSAGE}&MessageStatus=teleported".encode(), "status"),
    (f"MessageSid={MESSAGE}".encode(), "status"),
    (f"MessageSid={MESSAGE}&SmsStatus=received&From=%2B1".encode(), "body"),
    (b"", "status"),
    (b"{", "body"),
    (b"{" + b'"a":{' * 100_000, "body"),
    (b"[1]", "status"),
    (b"\xff\xfe", "body"),
)


def _form(fields: Any, url: str = URL, key: str = "t0ken", **headers: str) -> WebhookCall:
    """A form as Twilio's own package would sign it."""
    algorithm = "HMAC_SHA256" if SETTINGS in headers else None
    signature = RequestValidator(key).compute_signature(url, dict(fields), algorithm)
    named = {"content-type": FORM, "x-twilio-signature": signature, **headers}
    return WebhookCall(urlencode(fields).encode(), named, url)


def _json(fields: Any, key: str = "t0ken") -> WebhookCall:
    raw = json.dumps(fields).encode()
    url = f"{URL}&bodySHA256={hashlib.sha256(raw).hexdigest()}"
    signature = RequestValidator(key).compute_signature(url, {})
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    assert RequestValidator(key).validate(url, raw.decode(), signature)
    return WebhookCall(raw, headers, url)


def refusal(changes: Mapping[str, Any]) -> str:
    """What a good callback gets once these of it are changed."""
    good = _form(FIELDS)
    headers = {**good.headers, **changes.get("headers", {})}
    raw, url = changes.get("raw", good.raw), changes.get("url", good.url)
    return _refused(WebhookCall(raw, headers, url))


def signed(raw: bytes) -> WebhookCall:
    """Whatever it is, as a form that Twilio signed."""
    pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
    return replace(_form(dict(pairs)), raw=raw)


def _refused(call: WebhookCall) -> str:
    with pytest.raises(WebhookRefused) as refused:
        webhooks.verify(call, SECRETS, NOW)
    return refused.value.code


def test_what_twilio_signs_is_taken() -> None:
    """A form and JSON, with and without a port, by the token and by a shared key; each twice is
    the same event."""
    with_port = URL.replace(".example/", ".example:443/")
    odd_port = URL.replace(".example/", ".example:8443/")
    shared = {SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    good = [
        _form(FIELDS),
        WebhookCall(_form(FIELDS).raw, _form(FIELDS, with_port).headers, URL),
        WebhookCall(_form(FIELDS).raw, _form(FIELDS).headers, odd_port),
        _form(FIELDS, odd_port),
        _form(FIELDS, key="sh4red", **shared),
        _form(FIELDS, **shared),
        _json(FIELDS),
    ]
    ids = {webhooks.verify(call, SECRETS, NOW) for call in good}
    assert ids == {f"{MESSAGE}/undelivered/30003"}


def test_what_twilio_did_not_sign_is_refused() -> None:
    """Each change of address, body or header gives the code of the check that failed."""
    for what, changes, code in TAMPERED:
        assert refusal(changes) == code, what
    said = _json(FIELDS)
    assert _refused(replace(said, raw=said.raw + b" ")) == "signature"
    assert _refused(replace(said, url=URL)) == "signature"
    assert _refused(_form(FIELDS, key="another")) == "signature"
    assert _refused(_form({**FIELDS, "AccountSid": "AC" + "0" * 32})) == "account"
    assert _refused(_form({"MessageStatus": "sent"})) == "body"
    assert _refused(_json(["not", "an", "object"])) == "body"


def test_a_field_given_twice_is_refused() -> None:
    """Signed as Twilio signs it, but nobody could say which value was meant."""
    pairs = [("MessageSid", MESSAGE), ("MessageStatus", "sent"), ("MessageStatus", "delivered")]

    class Given(dict[str, str]):
        def getall(self, name: str) -> list[str]:
            return [value for key, value in pairs if key == name]

    signature = RequestValidator("t0ken").compute_signature(URL, Given(pairs))
    headers = {"content-type": FORM, "x-twilio-signature": signature}
    assert _refused(WebhookCall(urlencode(pairs).encode(), headers, URL)) == "body"
    same = pairs[:2] + pairs[1:2]
    pairs[:] = same
    again = WebhookCall(urlencode(same).encode(), headers, URL)
    signature = RequestValidator("t0ken").compute_signature(URL, Given(same))
    headers["x-twilio-signature"] = signature
    assert webhooks.verify(again, SECRETS, NOW) == f"{MESSAGE}/sent/"


@pytest.mark.parametrize("state", STATUS_OF)
def test_every_state_has_its_meaning(state: str) -> None:
    """What is on its way stays accepted; what failed came back only if the number is at fault."""
    ends = {
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,
        "undelivered": Status.FAILED,
        "failed": Status.FAILED,
        "canceled": Status.FAILED,
        "partially_delivered": Status.FAILED,
    }
    fields = {"MessageSid": MESSAGE, "MessageStatus": state, "From": "+12025550142", "Body": "1"}
    said = webhooks.parse(urlencode(fields).encode(), "ref=abc")
    if state in ("received", "receiving"):
        assert [type(each) for each in said] == ([Incoming] if state == "received" else [])
        return
    [event] = said
    assert isinstance(event, Event)
    assert (event.status, event.reference, event.trouble) == (ends.get(state), "abc", None)
    for code, at_fault in (("30003", True), ("30006", True), ("30007", False), ("30034", False)):
        [event] = webhooks.parse(urlencode({**fields, "ErrorCode": code}).encode(), "")
        assert isinstance(event, Event)
        assert (event.code, event.trouble, event.reference) == (code, code, None)
        if ends.get(state) is Status.FAILED:
            assert event.status is (Status.BOUNCED if at_fault else Status.FAILED)


@pytest.mark.parametrize(("raw", "code"), UNREADABLE)
def test_what_cannot_be_read_says_so(raw: bytes, code: str) -> None:
    """A state or a message that Twilio does not have is kept for a person, and never guessed."""
    with pytest.raises(WebhookRefused) as refused:
        webhooks.parse(raw, "")
    assert refused.value.code == code


def test_the_callback_address_names_the_delivery_to_us_alone() -> None:
    """The reference is a hash; how to try again stands in the fragment, which is not sent."""
    url = callback_url("https://clinic.example/v1/hooks/sms/default", "0123")
    assert url == "https://clinic.example/v1/hooks/sms/default?ref=0123#rc=5&rp=ct,rt,5xx"
