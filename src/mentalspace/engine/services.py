"""What `main` opens once and hands to every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mentalspace.engine.db import Database
from mentalspace.engine.inbox import Inbox
from mentalspace.engine.lately_found import LatelyFound
from mentalspace.engine.queue import Queue
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.secrets import Vault
from mentalspace.engine.signing import Signer
from mentalspace.kernel.clock import OffsetClock
from mentalspace.kernel.integration import Integration
from mentalspace.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    vault: Vault
    signer: Signer
    queue: Queue
    rooms: Mapping[str, Integration]
    runbooks: Runbooks
    clock: OffsetClock
    inbox: Inbox
    shape: str  # of the database this program is for; see engine/db/shape.py
    admin_url: str = field(repr=False)  # the owner's; for credentials and migrations only
    login_url: str = field(repr=False)
    jwt_secret: str = field(repr=False)  # signs
    jwt_secret_before: str | None = field(repr=False, default=None)  # still holds
    lately_found: LatelyFound = field(repr=False, default_factory=LatelyFound)
