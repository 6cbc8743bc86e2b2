"""Resend's constants, shapes and signature, as its documentation gives them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mentalspace.integrations.email.domain.expected import Expected, Purpose, SendingDomain
from mentalspace.integrations.email.model import Mail
from mentalspace.kernel.checkup import DnsRecord
from mentalspace.kernel.delivery import Receipt, Status
from mentalspace.kernel.errors import Evidence, ProviderError, WebhookRefused
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import TEST_MODE, Answer
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.rate import rate_left
from mentalspace.kernel.said import read_sentences

LIVE_BASE_URL = "https://api.resend.com"
DOMAINS_PAGE = "https://resend.com/domains"
USUAL_SPF = "v=spf1 include:amazonses.com ~all"

# source: https://resend.com/docs/dashboard/emails/idempotency-keys
IDEMPOTENCY_WINDOW = timedelta(hours=24)

# source: https://resend.com/docs/api-reference/emails/send-batch-emails
MOST_IN_BATCH = 100

# source: https://docs.svix.com/receiving/verifying-payloads/how-manual
SIGNATURE_TOLERANCE = timedelta(minutes=5)


# source: https://resend.com/docs/dashboard/webhooks/event-types
STATUS_OF = {
    "email.sent":             None,
    "email.scheduled":        None,
    "email.delivered":        Status.DELIVERED,
    "email.delivery_delayed": None,
    "email.bounced":          Status.BOUNCED,
    "email.failed":           Status.FAILED,
    "email.suppressed":       Status.BOUNCED,
    "email.complained":       None,
    "email.opened":           None,
    "email.clicked":          None,
}  # fmt: skip


# Of the newest event of a mail that is asked after: what happens to one that has arrived.
_AFTER_ARRIVAL = frozenset({"email.opened", "email.clicked", "email.complained"})


# What the runbook knows an event by. A bounce is told apart by its type below.
TROUBLE_OF = {
    "email.bounced":          "bounced",
    "email.complained":       "complained",
    "email.suppressed":       "suppressed",
    "email.failed":           "failed",
    "email.delivery_delayed": "delayed",
}  # fmt: skip
# source: https://resend.com/docs/dashboard/emails/email-bounces; "Temporary" appears as well
_PASSING = {"transient": "bounced_for_now", "temporary": "bounced_for_now",
            "undetermined": "bounced_for_now"}  # fmt: skip

# source: https://resend.com/docs/webhooks/event-types
LISTED = {"suppression.added": True, "suppression.removed": False}


# Anything else in the place of a name or an id may be prose, and prose may quote a person.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SAID = read_sentences(Path(__file__).with_name("said.toml").read_text())
# What stands before Resend answers in plain text.
# source: https://resend.com/docs/knowledge-base/403-error-1010
_EDGE_ERROR = re.compile(rb"\s*error code: ([0-9]{3,5})\b")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


# source: https://resend.com/docs/dashboard/emails/send-test-emails
_TEST_ADDRESS = re.compile(
    r"(?:(?:delivered|bounced|complained)(?:\+[^@]+)?|suppressed)@resend\.dev"
)
# Whoever sends from here is trying it out: Resend itself lets it reach test addresses only.
_TEST_SENDER = re.compile(r"(?:[^<]*<)?onboarding@resend\.dev>?")
# Not Resend's own: it has no such keys. The first runbook's word for a key that is for tests.
_TEST_KEY = "test_"


def refuse_outside_tests(payload: bytes, test_only: bool) -> Evidence | None:
    """Evidence if a mail of a test-only credential, or of the test sender, would reach a person."""
    mail = Mail.from_bytes(payload)
    tests = test_only or _TEST_SENDER.fullmatch(mail.sender.strip().lower())
    if not tests or _TEST_ADDRESS.fullmatch(mail.to.strip().lower()):
        return None
    return Evidence("refused_locally", code=TEST_MODE)


def is_for_tests(secrets: Mapping[str, str]) -> bool:
    return secrets.get("api_key", "").startswith(_TEST_KEY)


def email_body(mail: Mail) -> bytes:
    """The body of POST /emails. Keys are sorted: the same mail must give the same bytes, or
    Resend answers a repeated idempotency key with 409.

    source: https://resend.com/docs/api-reference/emails/send-email
    """
    fields: dict[str, Any] = {
        "from": mail.sender,
        "to": [mail.to],
        "reply_to": mail.reply_to,
        "subject": mail.subject,
        "html": mail.html,
        "text": mail.text,
        "tags": [{"name": "kind", "value": mail.kind}],
    }
    if mail.attachments:
        # source: https://resend.com/docs/dashboard/emails/attachments
        fields["attachments"] = [asdict(attachment) for attachment in mail.attachments]
    return json.dumps(fields, sort_keys=True).encode()


def batch_body(mails: Iterable[Mail]) -> bytes:
    """The body of POST /emails/batch: the same mails in the same order give the same bytes.

    source: https://resend.com/docs/api-reference/emails/send-batch-emails
    """
    return b"[" + b",".join(email_body(mail) for mail in mails) + b"]"


def trouble_of(kind: str, data: Mapping[str, Any]) -> str | None:
    """The runbook's word for an event; None for those that are no trouble."""
    bounce = data.get("bounce")
    passing = str(bounce.get("type", "")).lower() if isinstance(bounce, dict) else ""
    if kind == "email.bounced" and passing in _PASSING:
        return _PASSING[passing]
    return TROUBLE_OF.get(kind)


def error_of(answer: Answer, retry_after_s: float | None) -> ProviderError:
    """Evidence of a refusal: status, Resend's name for it, its prose as PHI.

    source: https://resend.com/docs/api-reference/errors
    """
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    name, message = fields.get("name"), fields.get("message")
    prose = Phi(message) if isinstance(message, str) else None
    if body is None and (edge := _EDGE_ERROR.match(answer.body)):
        name = f"edge_{edge[1].decode()}"
    return ProviderError(
        Evidence(
            "http",
            http=answer.http,
            code=name if isinstance(name, str) and _NAME.fullmatch(name) else None,
            message=prose,
            said=_SAID.find(prose),
            request_id=request_id(answer),
            retry_after_s=retry_after_s,
            rate=rate_left(answer.headers),
        )
    )


def last_event(answer: Answer) -> Event | None:
    """The newest event of a GET /emails/{id}; None while it says nothing new.

    source: https://resend.com/docs/api-reference/emails/retrieve-email
    """
    try:
        body = json.loads(answer.body)
        kind = f"email.{body['last_event']}"
        status = Status.DELIVERED if kind in _AFTER_ARRIVAL else STATUS_OF.get(kind)
        if status is None:
            return None
        return Event(str(body["id"]), kind, status, None, trouble=trouble_of(kind, {}))
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderError(
            Evidence("malformed", http=answer.http, request_id=request_id(answer))
        ) from error


def domain_id(answer: Answer, name: str) -> str | None:
    """The id of a listed domain, or None. Raises ValueError, KeyError or TypeError.

    source: https://resend.com/docs/api-reference/domains/list-domains
    """
    for listed in json.loads(answer.body)["data"]:
        if str(listed["name"]).lower() == name:
            return str(listed["id"])
    return None


def domain_of(answer: Answer) -> SendingDomain:
    """A single domain with its records. Raises ValueError, KeyError or TypeError.

    source: https://resend.com/docs/api-reference/domains/get-domain
    """
    body = json.loads(answer.body)
    name, status = str(body["name"]).lower(), str(body["status"])
    return SendingDomain(
        name,
        status if _NAME.fullmatch(status) else None,
        status == "verified",
        tuple(_expected(record, name) for record in body.get("records") or ()),
        DOMAINS_PAGE,
    )


def usual_domain(name: str) -> SendingDomain:
    """What Resend wants of every domain, as far as it is the same for all: for a key that may
    not ask. The region is in the MX, the key is the domain's own: both are left empty."""
    return SendingDomain(
        name,
        None,
        None,
        (
            Expected("mx", DnsRecord("MX", f"send.{name}", "")),
            Expected("spf", DnsRecord("TXT", f"send.{name}", USUAL_SPF)),
            Expected("dkim", DnsRecord("TXT", f"resend._domainkey.{name}", "")),
        ),
        DOMAINS_PAGE,
    )


def unknown_domain(name: str) -> SendingDomain:
    return SendingDomain(name, None, False, (), DOMAINS_PAGE)


# `record` says which proof a record is for; domains of after August 2026 may have CNAMEs there.
def _expected(record: Mapping[str, Any], domain: str) -> Expected:
    kind = str(record["type"]).upper()
    purpose: Purpose = "other"
    match str(record["record"]).upper():
        case "SPF":
            purpose = "mx" if kind == "MX" else "spf"
        case "DKIM":
            purpose = "dkim"
    priority = record.get("priority")
    return Expected(
        purpose,
        DnsRecord(
            kind,
            whole_name(str(record["name"]).lower(), domain),
            str(record["value"]),
            priority if isinstance(priority, int) else None,
        ),
    )


def whole_name(name: str, domain: str) -> str:
    """A record's name in full. Of a subdomain, `name` may already hold its first labels:
    `send.updates` of `updates.example.org`."""
    if name in ("", "@", domain) or name.endswith(f".{domain}"):
        return domain if name in ("", "@") else name
    labels = domain.split(".")
    for held in range(len(labels) - 2, 0, -1):
        own = ".".join(labels[:held])
        if name == own or name.endswith(f".{own}"):
            return ".".join([name, *labels[held:]])
    return f"{name}.{domain}"


def message_id(answer: Answer) -> str:
    """The mail's id of a success. Raises ValueError, KeyError or TypeError if there is none."""
    found = json.loads(answer.body)["id"]
    if not _MESSAGE_ID.fullmatch(found):
        raise ValueError("not an id as Resend gives them")
    return str(found)


def batch_results(answer: Answer, size: int) -> list[Receipt | Evidence]:
    """What a permissive batch's success says of each mail. `data` holds the good ones alone, in
    order; `errors` names the others by their index.

    Raises ValueError, KeyError or TypeError if it does not account for every mail.
    """
    body = json.loads(answer.body)
    refused = {error["index"]: error["message"] for error in body.get("errors") or ()}
    ids = [each["id"] for each in body["data"]]
    if len(ids) + len(refused) != size or not set(range(size)) >= refused.keys():
        raise ValueError("not an answer to every mail of the batch")
    if not all(_MESSAGE_ID.fullmatch(each) for each in ids):
        raise ValueError("not an id as Resend gives them")
    found, rate, request = iter(ids), rate_left(answer.headers), request_id(answer)
    return [
        Evidence(
            "http", answer.http, "refused_in_batch", Phi(str(refused[place])), request, rate=rate
        )
        if place in refused
        else Receipt(next(found), request, rate=rate)
        for place in range(size)
    ]


def request_id(answer: Answer) -> str | None:
    """Whatever the answer lets support find it by; Resend documents no header of its own."""
    return answer.headers.get("x-request-id") or answer.headers.get("cf-ray")


def verify_signature(raw: bytes, headers: Mapping[str, str], secrets: str, now: datetime) -> str:
    """The event's id, if the Svix signature holds under one of the space-separated secrets.

    source: https://docs.svix.com/receiving/verifying-payloads/how-manual
    """
    event_id, stamp = _header(headers, "svix-id"), _header(headers, "svix-timestamp")
    given = _header(headers, "svix-signature")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise WebhookRefused("header", "svix-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(stamp)) > SIGNATURE_TOLERANCE.total_seconds():
        raise WebhookRefused("timestamp", "svix-timestamp is more than five minutes off")
    signed = f"{event_id}.{stamp}.".encode() + raw
    signatures = [part[3:] for part in given.split() if part.startswith("v1,")]
    for secret in secrets.split():
        expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(expected.encode(), s.encode()) for s in signatures):
            return event_id
    raise WebhookRefused("signature", "no signature in svix-signature holds")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > 4096:
        raise WebhookRefused("header", f"{name} is missing")
    return value


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        if not key:  # anybody could sign with it
            raise ValueError("an empty key")
        return key
    except ValueError as error:
        raise WebhookRefused(
            "secret", "the webhook secret kept for this endpoint is no secret"
        ) from error
