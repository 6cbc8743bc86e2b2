"""What every part of this sandbox speaks of: its place, its instants, its options."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit

ROOM = "storage"
PROVIDER = "supabase"
PREFIX = "/storage/v1"

Json = dict[str, Any]


def option(kit: Kit, account: Account, name: str) -> Any:
    """The account's own setting, or else the provider's."""
    found = account.options.get(name)
    return kit.options.value(ROOM, PROVIDER, name) if found is None else found


def iso(at: datetime) -> str:
    """An instant as the API writes it, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(at: str) -> str:
    """The same as a header has it."""
    return format_datetime(datetime.fromisoformat(at).astimezone(UTC), usegmt=True)
