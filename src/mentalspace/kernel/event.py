"""What a provider told us later, in our own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mentalspace.kernel.delivery import Status
from mentalspace.kernel.phi import Phi


@dataclass(frozen=True, slots=True)
class Event:
    """One normalised webhook event about one delivery.

    `status` is None for events that change nothing (opened, scheduled). `code` is the
    provider's own reason, PHI-free. `kind` is the provider's own event name. `trouble` is what
    the runbook knows such an event by, where it has a case for it. `reference` is what the
    address it was sent to carried (`ids.reference_of`): it names a delivery of which we do not
    know yet that the provider has it. `dated_at` is when it happened by the provider's own clock,
    None where its protocol does not say; of what was asked for it may have happened earlier.
    """

    provider_message_id: str
    kind: str
    status: Status | None
    dated_at: datetime | None
    code: str | None = None
    trouble: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something a person sent us. `opt_out` is what the provider itself did about it, in its own
    word; None where that is left to us."""

    provider_message_id: str
    sender: Phi[str]
    body: Phi[str]
    received_at: datetime
    kind: str
    opt_out: str | None = None


@dataclass(frozen=True, slots=True)
class ListChange:
    """The provider put a recipient on its own list of whom it does not write to, or took them
    off it; of no delivery of ours."""

    recipient: Phi[str]
    kind: str
    listed: bool
    occurred_at: datetime
