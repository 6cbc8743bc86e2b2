"""Reads Resend's webhooks: is it theirs, and what does it say of which mail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mentalspace.integrations.email.resend.wire import STATUS_OF, verify_signature
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.event import Event


def verify(
    raw: bytes, headers: Mapping[str, str], secrets: Mapping[str, str], now: datetime
) -> str:
    return verify_signature(raw, headers, secrets["webhook_secret"], now)


def parse(raw: bytes) -> Sequence[Event]:
    """The events of one webhook; none for kinds that speak of no mail (domains, contacts)."""
    try:
        body = json.loads(raw)
        kind = body["type"]
        if kind not in STATUS_OF:
            return ()
        data = body["data"]
        return (
            Event(
                provider_message_id=str(data["email_id"]),
                kind=kind,
                status=STATUS_OF[kind],
                occurred_at=datetime.fromisoformat(body["created_at"]),
                code=_reason(data),
            ),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WebhookRefused("body", "not an event as Resend describes them") from error


def _reason(data: Mapping[str, Any]) -> str | None:
    """`Permanent/Suppressed` and the like. The diagnostic text quotes addresses: left out."""
    bounce = data.get("bounce")
    if not isinstance(bounce, dict):
        return None
    parts = [bounce.get("type"), bounce.get("subType")]
    return "/".join(str(part)[:40] for part in parts if part) or None
