"""Reads Resend's webhooks: is it theirs, and what does it say of which mail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mentalspace.integrations.email.resend.wire import (
    LISTED,
    STATUS_OF,
    trouble_of,
    verify_signature,
)
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.event import Event, ListChange
from mentalspace.kernel.integration import WebhookCall
from mentalspace.kernel.phi import Phi


def verify(call: WebhookCall, secrets: Mapping[str, str], now: datetime) -> str:
    return verify_signature(call.raw, call.headers, secrets["webhook_secret"], now)


def parse(raw: bytes, _query: str) -> Sequence[Event | ListChange]:
    """The events of one webhook; none for kinds that speak of no mail (domains, contacts)."""
    try:
        body = json.loads(raw)
        kind = body["type"]
        if kind in LISTED:
            return (_list_change(kind, body),)
        if kind not in STATUS_OF:
            return ()
        data = body["data"]
        return (
            Event(
                provider_message_id=str(data["email_id"]),
                kind=kind,
                status=STATUS_OF[kind],
                dated_at=_instant(body["created_at"]),
                code=_reason(data),
                trouble=trouble_of(kind, data),
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WebhookRefused("body", "not an event as Resend describes them") from error


def _list_change(kind: str, body: Mapping[str, Any]) -> ListChange:
    address = body["data"]["email"]
    if not isinstance(address, str) or "@" not in address:
        raise ValueError("whom it is about is missing")
    return ListChange(Phi(address), kind, LISTED[kind], _instant(body["created_at"]))


def _instant(written: str) -> datetime:
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _reason(data: Mapping[str, Any]) -> str | None:
    """`Permanent/Suppressed` and the like. The diagnostic text quotes addresses: left out."""
    bounce = data.get("bounce")
    if not isinstance(bounce, dict):
        return None
    parts = [bounce.get("type"), bounce.get("subType")]
    return "/".join(str(part)[:40] for part in parts if part) or None
