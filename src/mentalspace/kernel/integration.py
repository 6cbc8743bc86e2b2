"""The seam of a room: what the house needs to know of an integration and its providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.event import Event

LaneClass = Literal["interactive", "bulk"]


@dataclass(frozen=True, slots=True)
class Credential:
    """One practice's access to one provider, decrypted in memory for the length of a call.

    `secrets` are keyed by the provider's own names (`api_key`, `webhook_secret`, …).
    """

    practice: str
    endpoint: str
    base_url: str
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Credential(endpoint={self.endpoint!r}, secrets=‹hidden›)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's HTTP answer, whatever its status."""

    http: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Http(Protocol):
    """One outbound request under one total deadline; see `engine/outbound.py`."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """The answer, of any status. Raises ProviderError when there was none."""
        ...


class Adapter(Protocol):
    """A provider's outbound half. Made for each call; holds no state of its own."""

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        """Hand over one delivery's frozen bytes. Raises ProviderError with evidence."""
        ...

    async def reconcile(
        self, payload: bytes, *, idempotency_key: str, first_attempt_age: timedelta
    ) -> Receipt | None:
        """Find out what became of an earlier `send` whose outcome is unknown.

        A Receipt if the provider has it, None if it surely has not and a send is safe.
        Raises ProviderError while it cannot be told.
        """
        ...

    async def look_up(self, provider_message_id: str) -> Event | None:
        """What the provider says today of a message it took, as an event; None if unchanged."""
        ...

    async def check(self) -> str:
        """A harmless call that proves credential and service; says what it saw."""
        ...


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One secret of a credential, and the environment name that gives the default practice's."""

    name: str
    env: str
    demo: str  # what the sandbox accepts out of the box


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_s` requests a second, evenly spaced, with `burst` at once."""

    per_s: float
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of a room. Its folder holds `errors/`, found through `package`."""

    name: str
    package: str
    title: str
    live_base_url: str
    base_url_env: str
    credential_fields: tuple[CredentialField, ...]
    rate: Rate
    adapter: Callable[[Http, Credential], Adapter]
    # guard(payload): what the provider would surely refuse, as evidence; None to let it pass
    guard: Callable[[bytes], Evidence | None]
    # verify(raw body, headers in lower case, secrets, now): the event's own id; WebhookRefused
    verify_webhook: Callable[[bytes, Mapping[str, str], Mapping[str, str], datetime], str]
    parse_webhook: Callable[[bytes], Sequence[Event]]
    deadline_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Integration:
    """One room. `routes` is an optional FastAPI router factory, kept opaque to the kernel.

    `sample(recipient)` is a payload that says nothing: what drills send while no workflow
    sends anything through the room.
    """

    name: str
    title: str
    package: str
    providers: tuple[Provider, ...]
    routes: Callable[[], Any] | None = None
    sample: Callable[[str], bytes] | None = None

    def provider(self, name: str) -> Provider:
        for provider in self.providers:
            if provider.name == name:
                return provider
        raise LookupError(f"{self.name} has no provider {name!r}")
