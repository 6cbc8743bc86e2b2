"""The sandbox's customers: whose key is whose, where their webhooks go, what they may do."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.errors import Refused


@dataclass(frozen=True, slots=True)
class Account:
    """One customer of one provider, however many keys it holds. `id` is public and stays.

    `profile` is what the provider knows of it, such as its own number; `options` are how it is
    played. Keys are kept only as hashes. `webhook_secret` may hold several, separated by blanks,
    while one is being replaced by another.
    """

    id: str
    room: str
    provider: str
    key_hashes: tuple[str, ...] = field(repr=False)
    revoked: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)
    rate_per_s: int | None = None  # None: the provider's usual limit
    consumed_per_s: int = 0  # what another consumer of the same account uses up
    options: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def webhook_secrets(self) -> list[str]:
        return (self.webhook_secret or "").split()

    def key_ids(self) -> list[str]:
        """Public ids of the keys that are accepted now."""
        return [_public_id(self.room, self.provider, digest) for digest in self.key_hashes]

    def revoked_ids(self) -> list[str]:
        """Public ids of the keys that were accepted once."""
        return [_public_id(self.room, self.provider, digest) for digest in self.revoked]


class Accounts:
    """Looked up by key on every call, so in memory; journalled, so they outlive the process."""

    def __init__(self, journal: Journal, *, allow_remote_hooks: bool = False) -> None:
        self._journal = journal
        self._allow_remote = allow_remote_hooks
        self._by_hash: dict[tuple[str, str, str], str] = {}
        self._by_id: dict[str, Account] = {}
        journal.on("account", self._apply)
        journal.compact(["account"], self._snapshot)

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
        profile: dict[str, Any] | None = None,
    ) -> Account:
        """Create the account of this key, or set these fields of the one that holds it.

        Raises Refused for a webhook off-machine.
        """
        self.check_url(webhook_url)
        digest = hash_key(api_key)
        account = self.by_key(room, provider, api_key) or Account(
            _public_id(room, provider, digest), room, provider, (digest,)
        )
        return self.change(
            account,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            rate_per_s=rate_per_s,
            consumed_per_s=0,
            options=options or {},
            profile=profile or {},
        )

    def change(self, account: Account, **changes: Any) -> Account:
        """Replace some fields of an account; `consumed_per_s` is how another consumer is played."""
        self.check_url(changes.get("webhook_url"))
        fields = {name: getattr(account, name) for name in Account.__slots__}
        self._journal.emit("account", **{**fields, **changes})
        return self._by_id[account.id]

    def add_key(self, account: Account, api_key: str) -> Account:
        """Let the account use one more key."""
        return self.change(account, key_hashes=(*account.key_hashes, hash_key(api_key)))

    def revoke_key(self, account: Account, digest: str) -> Account:
        """Accept this key no longer."""
        return self.change(
            account,
            key_hashes=tuple(known for known in account.key_hashes if known != digest),
            revoked=(*account.revoked, digest),
        )

    def by_key(self, room: str, provider: str, api_key: str) -> Account | None:
        found = self._by_hash.get((room, provider, hash_key(api_key)))
        return None if found is None else self._by_id[found]

    def get(self, account_id: str) -> Account | None:
        """By its public id, whatever its provider."""
        return self._by_id.get(account_id)

    def all(self) -> list[Account]:
        return list(self._by_id.values())

    def check_url(self, url: str | None) -> None:
        """Raises Refused for an address that webhooks must not go to."""
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
        fields = {name: record[name] for name in Account.__slots__ if name in record}
        if "key_hash" in record:  # as journals of one-key accounts have it
            fields["key_hashes"] = [record["key_hash"]]
        for name in ("key_hashes", "revoked"):
            fields[name] = tuple(fields.get(name, ()))
        account = Account(**fields)
        before = self._by_id.get(account.id)
        for digest in before.key_hashes if before else ():
            self._by_hash.pop((account.room, account.provider, digest), None)
        for digest in account.key_hashes:
            self._by_hash[account.room, account.provider, digest] = account.id
        self._by_id[account.id] = account

    def _snapshot(self) -> Iterable[Record]:
        for account in self._by_id.values():
            yield {
                "kind": "account",
                **{name: getattr(account, name) for name in Account.__slots__},
            }


def account_id(room: str, provider: str, api_key: str) -> str:
    """The public id of a key, and of the account that began with it; it says nothing of the key."""
    return _public_id(room, provider, hash_key(api_key))


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


def _public_id(room: str, provider: str, digest: str) -> str:
    return hash_key(f"{room}/{provider}/{digest}")[:12]
