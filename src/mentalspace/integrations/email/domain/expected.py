"""The domain mails are sent from, and what its provider wants published for it."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from typing import Literal, Protocol, runtime_checkable

from mentalspace.kernel.checkup import DnsRecord

DEFAULT_SENDER = "noreply@mentalspace.app"

Purpose = Literal["spf", "mx", "dkim", "other"]


@dataclass(frozen=True, slots=True)
class Expected:
    """A record the provider wants. An empty value is one it did not tell us: any will do."""

    purpose: Purpose
    record: DnsRecord


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """`status` is the provider's own word for it, None where it would not say; `ready` whether
    it sends for the domain, None likewise. `add_at` is where a person adds or verifies it."""

    name: str
    status: str | None
    ready: bool | None
    expected: tuple[Expected, ...]
    add_at: str


@runtime_checkable
class KnowsDomain(Protocol):
    """An adapter whose provider verifies sending domains."""

    async def sending_domain(self, name: str) -> SendingDomain:
        """Without expected records if the provider has no such domain. Raises ProviderError."""
        ...

    def usual_domain(self, name: str) -> SendingDomain:
        """What it wants of every domain, for when it cannot be asked."""
        ...


def sender_domain(address: str) -> str:
    """Of `Name <a@b.org>` or `a@b.org`, in lower case; empty if there is none."""
    _local, at, domain = parseaddr(address)[1].rpartition("@")
    return domain.lower() if at else ""
