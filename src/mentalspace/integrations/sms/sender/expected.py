"""What a provider tells of the number that a practice's texts come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Kind = Literal["long code", "toll-free number", "short code"]
# Whether carriers take texts of programs from it; `needless` where they ask for nothing more.
Standing = Literal["approved", "pending", "refused", "missing", "needless"]


@dataclass(frozen=True, slots=True)
class Account:
    """`status` is the provider's own word; a `trial` reaches verified numbers only."""

    status: str
    trial: bool = False

    @property
    def may_send(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class Service:
    """A messaging service: a pool of senders under one registration."""

    sid: str
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """How the number stands with carriers, in the provider's own word where there is one."""

    standing: Standing
    of: str  # A2P campaign, toll-free verification, short code
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """`number` is the practice's own, so no secret; None where a service chooses by itself.

    `answers_go_to` is where the provider brings what people answer, `we_listen_at` where we
    would hear it; None where either is unknown. `service` is None where none is configured, or
    `service_missing` says that the configured one is not there.
    """

    account: Account
    number: str | None
    kind: Kind | None
    exists: bool
    can_text: bool
    registration: Registration
    answers_go_to: str | None = None
    we_listen_at: str | None = None
    service: Service | None = None
    service_missing: bool = False


@runtime_checkable
class KnowsSender(Protocol):
    """The further method of an adapter whose provider tells of its senders."""

    async def sender(self) -> Sender:
        """What the provider says of this credential's sender. Raises ProviderError, Refused."""
        ...
