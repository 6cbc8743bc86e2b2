"""Reads Twilio's webhooks: is it theirs, how is which text, and what did a person say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from mentalspace.integrations.sms.twilio import wire
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.event import Event, Incoming
from mentalspace.kernel.integration import WebhookAnswer, WebhookCall
from mentalspace.kernel.phi import Phi

# Nothing to say back by itself: what is answered goes through the ledger.
# source: https://www.twilio.com/docs/messaging/twiml
ANSWER = WebhookAnswer("text/xml", '<?xml version="1.0" encoding="UTF-8"?><Response/>')


def verify(call: WebhookCall, secrets: Mapping[str, str], now: datetime) -> str:  # noqa: ARG001
    """The event's own id: what of it is signed and tells it from others. Twilio's idempotency
    token is a header, which no signature covers."""
    wire.verify_signature(call, secrets)
    fields = wire.fields_of(call.raw)
    sid = fields.get("MessageSid") or fields.get("SmsSid")
    if not isinstance(sid, str) or not sid:
        raise WebhookRefused("body", "it names no message")
    account = fields.get("AccountSid")
    if account is not None and account != secrets["account_sid"]:
        raise WebhookRefused("account", "it is of another Twilio account than this endpoint's")
    state = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    return f"{sid}/{state}/{fields.get('ErrorCode') or ''}"[:200]


def parse(raw: bytes, query: str) -> Sequence[Event | Incoming]:
    """What one webhook says: how a text of ours is, or what a person wrote."""
    fields = wire.fields_of(raw)
    match fields.get("MessageStatus") or fields.get("SmsStatus"):
        case "received":
            return (_incoming(fields),)
        case "receiving":
            return ()
    references = parse_qs(query).get("ref", [])
    return (wire.event_of(fields, reference=references[0] if len(references) == 1 else None),)


def _incoming(fields: Mapping[str, Any]) -> Incoming:
    sid, sender, body = (fields.get(name) for name in ("MessageSid", "From", "Body"))
    if not (isinstance(sid, str) and isinstance(sender, str) and isinstance(body, str)):
        raise WebhookRefused("body", "a text without its sender or its words")
    done = fields.get("OptOutType")
    return Incoming(
        provider_message_id=sid,
        sender=Phi(sender),
        body=Phi(body),
        received_at=datetime.now(UTC),
        kind="received",
        opt_out=done if done in ("STOP", "START", "HELP") else None,
    )
