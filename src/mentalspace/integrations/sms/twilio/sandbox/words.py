"""What every part of this sandbox speaks of: its place, its ids, its instants, its options."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit

ROOM = "sms"
PROVIDER = "twilio"
API_VERSION = "2010-04-01"

Json = dict[str, Any]


def option(kit: Kit, account: Account, name: str) -> Any:
    """The account's own setting, or else the provider's."""
    found = account.options.get(name)
    return kit.options.value(ROOM, PROVIDER, name) if found is None else found


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def lasting_sid(prefix: str, name: str) -> str:
    """The SID of a thing that was never made here: the same at every call."""
    return prefix + hashlib.sha256(f"{prefix}{name}".encode()).hexdigest()[:32]


def sid_of(account: Account) -> str:
    """The account's own SID: as it was registered, or one that lasts."""
    return str(account.profile.get("account_sid") or lasting_sid("AC", account.id))


def is_test(account: Account) -> bool:
    """Whether these are test credentials: they try, and reach nobody."""
    return bool(account.profile.get("test"))


def rfc2822(at: datetime | None) -> str | None:
    """An instant as the 2010-04-01 API writes it."""
    return None if at is None else format_datetime(at.astimezone(UTC))


def iso(at: datetime) -> str:
    """An instant as the newer APIs write it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
