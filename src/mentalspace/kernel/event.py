"""What a provider told us later, in our own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mentalspace.kernel.delivery import Status


@dataclass(frozen=True, slots=True)
class Event:
    """One normalised webhook event about one delivery.

    `status` is None for events that change nothing (opened, scheduled). `code` is the
    provider's own reason, PHI-free. `kind` is the provider's own event name.
    """

    provider_message_id: str
    kind: str
    status: Status | None
    occurred_at: datetime
    code: str | None = None
