"""What every part of this sandbox speaks of: its place, its ids, its instants, its options."""

from __future__ import annotations

import functools
import uuid
from datetime import UTC, datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit

ROOM = "email"
PROVIDER = "resend"

Json = dict[str, Any]


def option(kit: Kit, team: Account, name: str) -> Any:
    """The team's own setting, or else the provider's."""
    found = team.options.get(name)
    return kit.options.value(ROOM, PROVIDER, name) if found is None else found


def new_id() -> str:
    return str(uuid.uuid4())


@functools.lru_cache(maxsize=4096)
def lasting_id(name: str) -> str:
    """The id of a thing that was never made here: the same at every call."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def message_id() -> str:
    """A webhook's id, which Svix keeps over all tries."""
    return f"msg_{uuid.uuid4().hex}"


def stamp(at: datetime) -> str:
    """An instant as webhooks write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def row_stamp(at: datetime | str) -> str:
    """An instant as most answers write it."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
