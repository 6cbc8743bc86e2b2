"""Identifiers, and the trace context that ties a click to a provider's request id."""

from __future__ import annotations

import hashlib
import secrets
from typing import NewType
from uuid import UUID

PracticeId = NewType("PracticeId", UUID)
CredentialId = NewType("CredentialId", UUID)
LaneId = NewType("LaneId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
AttemptId = NewType("AttemptId", UUID)
IncidentId = NewType("IncidentId", UUID)


def reference_of(idempotency_key: str) -> str:
    """What a callback's address may carry to name a delivery: 32 hexadecimal digits that tell
    nothing of it. The database computes the same."""
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]


def new_traceparent() -> str:
    """A fresh W3C trace context, version 00, sampled.

    source: https://www.w3.org/TR/trace-context/#traceparent-header
    """
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def trace_id_of(traceparent: str) -> str:
    """The part that all of a trace share."""
    return traceparent.split("-")[1]


def child_traceparent(parent: str) -> str:
    """The same trace with a new span: what an attempt carries of its delivery."""
    version, trace_id, _span_id, flags = parent.split("-")
    return f"{version}-{trace_id}-{secrets.token_hex(8)}-{flags}"
