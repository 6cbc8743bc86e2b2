"""The sandbox's customers: whose key is whose, where their webhooks go, what they may do."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.errors import Refused


@dataclass(frozen=True, slots=True)
class Account:
    """One customer of one provider. Its key is kept only as a hash; `id` is public."""

    id: str
    room: str
    provider: str
    key_hash: str = field(repr=False)
    webhook_url: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)
    rate_per_s: int | None = None  # None: the provider's usual limit
    consumed_per_s: int = 0  # what another consumer of the same account uses up
    options: dict[str, Any] = field(default_factory=dict)


class Accounts:
    """Looked up by key on every call, so in memory; journalled, so they outlive the process."""

    def __init__(self, journal: Journal, *, allow_remote_hooks: bool = False) -> None:
        self._journal = journal
        self._allow_remote = allow_remote_hooks
        self._by_hash: dict[tuple[str, str, str], Account] = {}
        self._by_id: dict[str, Account] = {}
        journal.on("account", self._apply)

    def put(
        self,
        room: str,
        provider: str,
        api_key: str,
        *,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        rate_per_s: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> Account:
        """Create or replace the account of this key. Raises Refused for a webhook off-machine."""
        self._check_url(webhook_url)
        digest = hash_key(api_key)
        self._journal.emit(
            "account",
            id=account_id(room, provider, api_key),
            room=room,
            provider=provider,
            key_hash=digest,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            rate_per_s=rate_per_s,
            options=options or {},
        )
        return self._by_hash[room, provider, digest]

    def change(self, account: Account, **changes: Any) -> Account:
        """Replace some fields of an account; `consumed_per_s` is how another consumer is played."""
        self._check_url(changes.get("webhook_url"))
        fields = {name: getattr(account, name) for name in Account.__slots__}
        self._journal.emit("account", **{**fields, **changes})
        return self._by_id[account.id]

    def by_key(self, room: str, provider: str, api_key: str) -> Account | None:
        return self._by_hash.get((room, provider, hash_key(api_key)))

    def get(self, account_id: str) -> Account | None:
        """By its public id, whatever its provider."""
        return self._by_id.get(account_id)

    def all(self) -> list[Account]:
        return list(self._by_hash.values())

    def _check_url(self, url: str | None) -> None:
        if url is None:
            return
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused("webhook_not_http", "webhook_url: begin with http:// or https://")
        if not self._allow_remote and not is_loopback(url):
            raise Refused(
                "webhook_not_local",
                "webhook_url: sandbox webhooks stay on this machine; use a loopback address",
            )

    def _apply(self, record: Record) -> None:
        account = Account(**{name: value for name, value in record.items() if name != "kind"})
        self._by_hash[account.room, account.provider, account.key_hash] = account
        self._by_id[account.id] = account


def account_id(room: str, provider: str, api_key: str) -> str:
    """The public id of a key's account, which says nothing of the key."""
    return hash_key(f"{room}/{provider}/{hash_key(api_key)}")[:12]


def hash_key(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()


def is_loopback(url: str) -> bool:
    """Whether a URL surely stays on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
