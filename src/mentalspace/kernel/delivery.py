"""The states of a delivery, and which way they may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mentalspace.kernel.rate import RateLeft


class Status(StrEnum):
    PENDING = "pending"  # its time has not come, or it waits for the next try
    DUE = "due"  # its time has come; a worker is being woken
    SENDING = "sending"  # a worker holds it
    UNKNOWN = "unknown"  # perhaps sent: ask the provider before anything else
    HELD = "held"  # waits for a person
    ACCEPTED = "accepted"  # the provider took it; nobody has it yet
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


S = Status

# The database enforces the same table with a trigger; a test compares the two.
TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        S.PENDING: frozenset({S.DUE, S.CANCELLED, S.EXPIRED, S.HELD, S.REFUSED}),
        S.DUE: frozenset({S.SENDING, S.PENDING, S.CANCELLED, S.EXPIRED, S.HELD}),
        S.SENDING: frozenset(
            {S.ACCEPTED, S.PENDING, S.DUE, S.UNKNOWN, S.HELD, S.REFUSED, S.FAILED, S.EXPIRED}
            | {S.DELIVERED, S.BOUNCED}
        ),
        S.UNKNOWN: frozenset({S.SENDING, S.ACCEPTED, S.DELIVERED, S.BOUNCED, S.HELD, S.FAILED}),
        S.HELD: frozenset({S.PENDING, S.ACCEPTED, S.DELIVERED, S.BOUNCED, S.CANCELLED, S.FAILED}),
        S.ACCEPTED: frozenset({S.DELIVERED, S.BOUNCED, S.FAILED}),
        S.DELIVERED: frozenset(),
        S.BOUNCED: frozenset(),
        S.REFUSED: frozenset(),
        S.FAILED: frozenset(),
        S.CANCELLED: frozenset(),
        S.EXPIRED: frozenset(),
    }
)

TERMINAL = frozenset(s for s, onward in TRANSITIONS.items() if not onward)


def may_move(before: Status, after: Status) -> bool:
    """Whether a delivery may go from one state to the other. A late event asks this first."""
    return after in TRANSITIONS[before]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word that it took a delivery. `details` must be free of PHI."""

    provider_message_id: str
    request_id: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    rate: RateLeft | None = None
