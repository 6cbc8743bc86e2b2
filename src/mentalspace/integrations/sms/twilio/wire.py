"""Twilio's constants, shapes and signature, as its documentation gives them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.number import Kind
from mentalspace.kernel.delivery import Status
from mentalspace.kernel.errors import Evidence, ProviderError, WebhookRefused
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import TEST_MODE, Answer, WebhookCall
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.said import read_sentences

LIVE_BASE_URL = "https://api.twilio.com"
# Lookup lives at a host of its own; a sandbox plays both.
LIVE_LOOKUP_URL = "https://lookups.twilio.com"
API = "/2010-04-01/Accounts"

# Twilio tries a callback once, and again only if it could not connect. This asks for more.
# source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CALLBACK_MANNERS = "#rc=5&rp=ct,rt,5xx"
# source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message
LONGEST_VALIDITY_S = 36_000
MOST_LISTED = 1000
NEWEST_LISTED = 50
TRIAL_PREFIX = "Sent from your Twilio trial account - "

# What each of the thirteen states means here. None moves nothing: the text is on its way, or
# came in. source: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
STATUS_OF = {
    "accepted":            None,
    "scheduled":           None,
    "queued":              None,
    "sending":             None,
    "sent":                None,
    "delivered":           Status.DELIVERED,
    "read":                Status.DELIVERED,
    "undelivered":         Status.FAILED,
    "failed":              Status.FAILED,
    "canceled":            Status.FAILED,
    "partially_delivered": Status.FAILED,
    "receiving":           None,
    "received":            None,
}  # fmt: skip
# Where the number itself is at fault, what failed came back from its owner.
# source: https://www.twilio.com/docs/api/errors
_OF_THE_NUMBER = frozenset({"30003", "30004", "30005", "30006"})

# Lookup's twelve line types. What only takes calls is a landline here; a pager's network takes no
# texts of ours. source: https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence
KIND_OF: Mapping[str, Kind] = {
    "mobile":       "mobile",
    "personal":     "mobile",
    "landline":     "landline",
    "tollFree":     "landline",
    "premium":      "landline",
    "sharedCost":   "landline",
    "uan":          "landline",
    "voicemail":    "landline",
    "pager":        "landline",
    "fixedVoip":    "voip",
    "nonFixedVoip": "voip",
    "unknown":      "unknown",
}  # fmt: skip

# source: https://www.twilio.com/docs/iam/test-credentials
_TEST_NUMBER = re.compile(r"\+1500555\d{4}")
_MESSAGE_SID = re.compile(r"[SM]M[0-9a-f]{32}")
_CODE = re.compile(r"[0-9]{1,6}")
_SAID = read_sentences(Path(__file__).with_name("said.toml").read_text())
_DIGESTS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as the list shows it."""

    sid: str
    number: str | None
    service: str | None
    body: str = field(repr=False)
    created_at: datetime

    def says(self, body: str) -> bool:
        """Whether it has this body. A trial account puts a sentence before it."""
        return self.body.removeprefix(TRIAL_PREFIX).strip() == body.strip()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, newest first; `next_path` leads to older ones. `answered_at` is by
    Twilio's own clock, which dates its messages."""

    messages: tuple[Listed, ...]
    next_path: str | None
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class From:
    """Who texts are from: a number, or the messaging service that stands in for several."""

    number: str
    service: str | None

    def sent(self, message: Listed) -> bool:
        if self.service is not None:
            return message.service == self.service
        return message.number == self.number


def from_of(secrets: Mapping[str, str]) -> From:
    return From(secrets["phone_number"], secrets.get("messaging_service_sid") or None)


def refuse_outside_tests(payload: bytes, test_only: bool) -> Evidence | None:
    """Evidence if a text of a test-only credential would reach a person."""
    if not test_only or _TEST_NUMBER.fullmatch(Text.from_bytes(payload).to):
        return None
    return Evidence("refused_locally", code=TEST_MODE)


def authorisation(secrets: Mapping[str, str]) -> str:
    pair = f"{secrets['account_sid']}:{secrets['auth_token']}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def message_form(text: Text, sender: From, callback: str) -> bytes:
    """The body of POST Messages.json.

    source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message
    """
    who = ("MessagingServiceSid", sender.service) if sender.service else ("From", sender.number)
    fields = (
        ("To", text.to),
        who,
        ("Body", text.body),
        ("StatusCallback", callback),
        ("ValidityPeriod", min(LONGEST_VALIDITY_S, max(1, text.useful_s))),
    )
    return urlencode(fields).encode()


def callback_url(hook_url: str, reference: str) -> str:
    """Where a text's callbacks go: the address names the delivery to nobody but us."""
    return f"{hook_url}?{urlencode({'ref': reference})}{CALLBACK_MANNERS}"


def list_path(account_sid: str, to: str) -> str:
    """By recipient alone: a filter on `DateSent` hides what has not been sent yet.

    source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
    """
    return f"{API}/{account_sid}/Messages.json?" + urlencode({"To": to, "PageSize": MOST_LISTED})


def newest_path(account_sid: str) -> str:
    """What the account has sent and got lately, to and from whomever."""
    return f"{API}/{account_sid}/Messages.json?" + urlencode({"PageSize": NEWEST_LISTED})


def lookup_path(e164: str) -> str:
    """source: https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence"""
    return f"/v2/PhoneNumbers/{quote(e164)}?Fields=line_type_intelligence"


def error_of(answer: Answer, retry_after_s: float | None = None) -> ProviderError:
    """Evidence of a refusal: status, Twilio's number for it, its prose as PHI.

    source: https://www.twilio.com/docs/usage/twilios-response#error-responses
    """
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    message = fields.get("message")
    prose = Phi(message) if isinstance(message, str) else None
    return ProviderError(
        Evidence(
            "http",
            http=answer.http,
            code=_code(fields.get("code")),
            message=prose,
            said=_SAID.find(prose),
            request_id=request_id(answer),
            retry_after_s=retry_after_s,
        )
    )


def thing_of(answer: Answer) -> Mapping[str, Any]:
    """The one thing that a success shows. Raises ValueError or TypeError."""
    body = json.loads(answer.body)
    if not isinstance(body, dict):
        raise TypeError("not a thing of Twilio's")
    return body


def sid_of(message: Mapping[str, Any]) -> str:
    """A message's id. Raises ValueError, KeyError or TypeError without one."""
    found = message["sid"]
    if not _MESSAGE_SID.fullmatch(found):
        raise ValueError("not an id as Twilio gives them")
    return str(found)


def page_of(answer: Answer) -> Page:
    """Raises ValueError, KeyError or TypeError."""
    body = thing_of(answer)
    further = body.get("next_page_uri")
    if further is not None and not (isinstance(further, str) and further.startswith(f"{API}/")):
        raise ValueError("not an address within the account")
    listed = (
        Listed(
            sid_of(one),
            one.get("from"),
            one.get("messaging_service_sid"),
            str(one["body"]),
            _instant(one["date_created"]),
        )
        for one in body["messages"]
    )
    return Page(tuple(listed), further, _instant(answer.headers["date"]))


def event_of(fields: Mapping[str, Any], *, reference: str | None = None) -> Event:
    """What a message's state says, of a callback or of the resource itself.

    Twilio dates a callback to the minute at best, without a zone: that counts for nothing. The
    resource has when it last changed, which its price may do after its end. Raises WebhookRefused
    for a state it never had, or what names no message.
    """
    state = str(fields.get("MessageStatus") or fields.get("status") or fields.get("SmsStatus"))
    if state not in STATUS_OF:
        raise WebhookRefused("status", "a state that Twilio does not have")
    sid = fields.get("MessageSid") or fields.get("sid") or fields.get("SmsSid")
    if not isinstance(sid, str) or not _MESSAGE_SID.fullmatch(sid):
        raise WebhookRefused("body", "it names no message")
    code = _code(fields.get("ErrorCode") or fields.get("error_code"))
    status = STATUS_OF[state]
    if status is Status.FAILED and code in _OF_THE_NUMBER:
        status = Status.BOUNCED
    changed = fields.get("date_updated")
    dated_at = _instant(changed) if isinstance(changed, str) else None
    return Event(sid, f"message.{state}", status, dated_at, code, trouble=code, reference=reference)


def line_type(answer: Answer) -> str | None:
    """Twilio's word for what a number is; None where it does not know."""
    found = thing_of(answer).get("line_type_intelligence") or {}
    kind = found.get("type")
    return kind if isinstance(kind, str) and kind.isalpha() else None


def request_id(answer: Answer) -> str | None:
    return answer.headers.get("twilio-request-id")


def parameters(raw: bytes) -> list[tuple[str, str]]:
    """A form's pairs, as they came. Raises WebhookRefused for what is not text."""
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as error:
        raise WebhookRefused("body", "not a form in UTF-8") from error


def fields_of(raw: bytes) -> Mapping[str, Any]:
    """The fields of a webhook, a form or JSON. Raises WebhookRefused; of a field that is given
    twice with different values nobody could say which was meant."""
    if not raw.lstrip().startswith(b"{"):
        pairs = dict(parameters(raw))
        if len(set(parameters(raw))) != len(pairs):
            raise WebhookRefused("body", "a field is given twice")
        return pairs
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WebhookRefused("body", "neither a form nor JSON") from error
    if not isinstance(body, dict):
        raise WebhookRefused("body", "neither a form nor a JSON object")
    return body


def verify_signature(call: WebhookCall, secrets: Mapping[str, str]) -> None:
    """Raises WebhookRefused unless Twilio signed this. A form is signed with its address; JSON by
    the hash that its signed address carries.

    source: https://www.twilio.com/docs/usage/webhooks/webhooks-security; the settings header as
    twilio-python 9.13 reads it
    """
    given = call.headers.get("x-twilio-signature", "")
    if not given or len(given) > 200:
        raise WebhookRefused("header", "x-twilio-signature is missing")
    settings = _settings(call.headers.get("x-twilio-webhooks-signature-settings", ""))
    algorithm = settings.get("algorithm", "HMAC_SHA1").upper()
    if algorithm not in _DIGESTS:
        raise WebhookRefused("header", "signed in a way that is not known here")
    signed = _signed_pairs(call)
    # Beside the settings header a shared key signs, else the token.
    keys = [secrets["auth_token"]]
    if "key" in settings and secrets.get("webhook_key"):
        keys.append(secrets["webhook_key"])
    good = False
    for key in keys:
        for url in _both_ways(call.url):
            digest = hmac.digest(key.encode(), (url + signed).encode(), _DIGESTS[algorithm])
            expected = base64.b64encode(digest)
            good |= hmac.compare_digest(expected, given.encode("utf-8", "replace"))
    if not good:
        raise WebhookRefused("signature", "x-twilio-signature does not hold")


def _signed_pairs(call: WebhookCall) -> str:
    """What of the body is signed with the address."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded" or not call.raw:
        return "".join(name + value for name, value in sorted(set(parameters(call.raw))))
    hashes = parse_qs(urlsplit(call.url).query).get("bodySHA256", [])
    found = hashlib.sha256(call.raw).hexdigest()
    if len(hashes) != 1 or not hmac.compare_digest(hashes[0].lower().encode(), found.encode()):
        raise WebhookRefused("signature", "no signature covers this body")
    return ""


def _both_ways(url: str) -> Iterable[str]:
    """The address without a port and with one: Twilio signs either."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    yield urlunsplit(parts._replace(netloc=host))
    port = parts.port or _PORTS.get(parts.scheme, 443)
    yield urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def _settings(header: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in header.split(","))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign and value.strip()}


def _instant(written: str) -> datetime:
    return parsedate_to_datetime(written).astimezone(UTC)


def _code(value: object) -> str | None:
    """Anything else in the place of a code may be prose, and prose may quote a person."""
    found = str(value) if isinstance(value, int | str) else ""
    return found if _CODE.fullmatch(found) and found != "0" else None
