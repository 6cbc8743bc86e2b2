"""What a provider's sandbox must offer the kit, whatever it speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.dns import Published
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.preset import Preset
from mentalspace.emulator.words import Call, Reply


class Role(Protocol):
    """One provider, as seen from outside."""

    room: str
    provider: str
    title: str
    options: Mapping[str, Any]  # what a deployment may change of its behaviour, with defaults

    def furnish(self, hooks_url: str | None) -> None:
        """Create what a demo finds there, if it is not there yet; webhooks go to `hooks_url`."""
        ...


@runtime_checkable
class Listener(Role, Protocol):
    """One that is not spoken to over HTTP: it opens a port of its own beside the sandbox's.

    It changes state only through the kit, and flushes the kit's journal before it answers.
    """

    scheme: str  # of its address
    offset: int  # how many ports above the console's its own lies; the sandbox's HTTP has 1
    presets: Mapping[str, Mapping[str, Any]]  # of the ways to break it, those it words itself

    async def listen(self, host: str, port: int) -> int:
        """Take connections from now on; the port, which is a free one for 0."""
        ...

    async def close(self) -> None:
        """End with every connection."""
        ...


@runtime_checkable
class Breakable(Role, Protocol):
    """One that breaks in ways of its own, or words a common one itself."""

    breakages: Sequence[Preset]


@runtime_checkable
class Spooler(Protocol):
    """One that is given large things: a body that is no JSON comes to it as a file in `spool`,
    whatever its size, and it keeps it by moving it away."""

    spool: Path


@runtime_checkable
class Publisher(Protocol):
    """One whose customers publish records in the DNS."""

    def published(self) -> Iterable[Published]:
        """As they should be, of every customer's domain."""
        ...


@dataclass(frozen=True, slots=True)
class Bubble:
    """One text on somebody's telephone. `mine` was written there; what is not `seen` never came."""

    id: str
    at: str
    body: str
    mine: bool
    state: str
    segments: int
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a telephone and a customer's number have said to each other, by its last text."""

    account: str
    phone: str
    number: str
    last: Bubble


@runtime_checkable
class Phones(Protocol):
    """One whose messages reach people's telephones, on which they may answer."""

    def conversations(self) -> Sequence[Conversation]:
        """The newest first."""
        ...

    def thread(self, account: Account, person: str, number: str) -> Sequence[Bubble]:
        """Oldest first."""
        ...

    def text(self, account: Account | None, person: str, number: str, body: str) -> str:
        """Somebody texts one of the account's numbers, or whoever has it; the text's id.

        Raises Refused for a number that is none, or nobody's.
        """
        ...


class Emulator(Role, Protocol):
    """One that speaks HTTP. Plain functions: the kit does the waiting.

    `handle` must change state only through the kit, whose journal the kit syncs before the
    reply is sent.
    """

    def identify(self, call: Call) -> Account | None:
        """Whose credential the call carries, or None."""
        ...

    def idempotency_key(self, call: Call) -> str | None:
        """The call's key, where the provider has such a thing."""
        ...

    def handle(self, call: Call, account: Account | None) -> Reply:
        """Answer as the provider would in good health."""
        ...

    def claims(self, call: Call) -> str | None:
        """What only one call of an account may work on at a time: its key, or a resource."""
        ...

    def busy(self, call: Call, account: Account | None) -> Reply:
        """Answer a call that claims what another one is still at work on."""
        ...

    def fail(self, account: Account | None, fault: Fault) -> Reply:
        """Word an injected status, in the provider's own error body and headers."""
        ...

    def sign(self, account: Account, hook_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
        """The headers that prove a webhook came from this provider."""
        ...
