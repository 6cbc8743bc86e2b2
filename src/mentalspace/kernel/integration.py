"""The seam of a room: what the house needs to know of an integration and its providers."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from mentalspace.kernel.checkup import Finding, LookUp
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.event import Event, Incoming, ListChange

if TYPE_CHECKING:
    from socket import socket

    from mentalspace.kernel.settings import Settings

LaneClass = Literal["interactive", "bulk"]

# The evidence's code when a credential that is for tests is asked to reach a person.
TEST_MODE = "test_mode"


def refuse_in_tests(_payload: bytes, test_only: bool) -> Evidence | None:
    """For a provider without test recipients: while only tests may go, nothing may."""
    return Evidence("refused_locally", code=TEST_MODE) if test_only else None


def no_test_secrets(_secrets: Mapping[str, str]) -> bool:
    return False


def weigh_one(_payload: bytes) -> int:
    return 1


def hook_url(site_url: str, integration: str, endpoint: str) -> str:
    """Where a credential's webhooks come in, as providers are told."""
    return f"{site_url.rstrip('/')}/v1/hooks/{integration}/{endpoint}"


@dataclass(frozen=True, slots=True)
class Credential:
    """One practice's access to one provider, decrypted in memory for the length of a call.

    `secrets` are keyed by the provider's own names (`api_key`, `webhook_secret`, …); `hook_url`
    is where its webhooks come in.
    """

    practice: str
    endpoint: str
    base_url: str
    secrets: Mapping[str, str]
    hook_url: str

    def __repr__(self) -> str:
        return f"Credential(endpoint={self.endpoint!r}, secrets=‹hidden›)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's HTTP answer, whatever its status."""

    http: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A webhook as it came: the raw body, header names in lower case, and the address it was sent
    to, as providers are told it, with the query that it came with."""

    raw: bytes
    headers: Mapping[str, str]
    url: str


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What a provider wants to read under a 200."""

    content_type: str
    body: str


class Http(Protocol):
    """The way out of one attempt, under one total deadline; see `engine/outbound.py`."""

    @property
    def deadline_s(self) -> float:
        """How long the attempt may take in all."""
        ...

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        into: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """The answer, of any status. Raises ProviderError when there was none.

        A large body is given piece by piece, with its Content-Length among the headers. `into`
        takes a success's body piece by piece, of whatever length, and the answer's is empty then.
        """
        ...

    async def dial(self, host: str, port: int) -> socket:
        """An open connection, for a provider that speaks another protocol.

        Raises ProviderError when there is none. What is said on it, and for how long, is the
        adapter's to bound.
        """
        ...


class Adapter(Protocol):
    """A provider's outbound half. Made for each call; holds no state of its own."""

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        """Hand over one delivery's frozen bytes. Raises ProviderError with evidence."""
        ...

    async def reconcile(
        self,
        payload: bytes,
        *,
        idempotency_key: str,
        first_attempt_age: timedelta,
        last_send_age: timedelta,
        taken: Collection[str],
    ) -> Receipt | None:
        """Find out what became of an earlier `send` whose outcome is unknown.

        A Receipt if the provider has it, None if it surely has not and a send is safe.
        Raises ProviderError while it cannot be told. It first left `first_attempt_age` ago, and
        last `last_send_age` ago: what was surely not there was sent anew. `taken` are the
        provider's ids of other deliveries to the same recipient, for a provider that is asked by
        content.
        """
        ...

    async def look_up(self, provider_message_id: str) -> Event | None:
        """What the provider says today of a message it took, as an event; None if unchanged."""
        ...

    async def check(self) -> str:
        """A harmless call that proves credential and service; says what it saw."""
        ...


@runtime_checkable
class BatchAdapter(Protocol):
    """The further method of an adapter whose provider takes batches."""

    async def send_batch(
        self, payloads: Sequence[bytes], *, idempotency_key: str
    ) -> Sequence[Receipt | Evidence]:
        """Hand over several deliveries in one request: for each, in order, a receipt, or why
        that one was refused. Raises ProviderError with evidence if the request as a whole was.

        The same payloads under the same key within the provider's window send nothing twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One secret of a credential, and the environment name that gives the default practice's.

    What `identifies` is what the provider knows its customer by: its key, its user's name. What
    `signs` is what its webhooks are signed with; what is `known` is no secret between the two. An
    `optional` one may be left out.
    """

    name: str
    env: str
    demo: str = ""  # what the sandbox accepts out of the box; empty: nothing is given
    identifies: bool = False
    signs: bool = False
    optional: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """Where the sandbox plays a provider that does not speak HTTP.

    `offset` counts ports from the console's own, as the sandbox's HTTP port does with 1.
    """

    scheme: str
    offset: int


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `per_s` requests a second, evenly spaced, with `burst` at once."""

    per_s: float
    burst: int = 1


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Where a provider tells the public how it is, and the environment name that says otherwise.

    `/api/v2/status.json` under it answers in the shape that most such pages have.
    """

    url: str
    env: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a provider takes in one request: up to `most` payloads that each `fits`.

    For `key_lasts` a repeated idempotency key gives the first request's answer, so that an
    unknown outcome is asked for by the same request.
    """

    most: int
    fits: Callable[[bytes], bool]
    key_lasts: timedelta


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of a room. Its folder holds `errors/`, found through `package`.

    `encrypted` are the schemes of addresses that may lie beyond this machine. A provider that
    never calls back has neither `verify_webhook` nor `parse_webhook`. `weight` is how much of the
    rate a payload uses up.
    """

    name: str
    package: str
    title: str
    live_base_url: str | None  # None: each practice has its own
    base_url_env: str
    credential_fields: tuple[CredentialField, ...]
    rate: Rate
    adapter: Callable[[Http, Credential], Adapter]
    # guard(payload): what the provider would surely refuse, as evidence; None to let it pass
    guard: Callable[[bytes], Evidence | None]
    # verify(call, secrets, now): the event's own id; WebhookRefused
    verify_webhook: Callable[[WebhookCall, Mapping[str, str], datetime], str] | None = None
    # parse(raw body, query of the address it was sent to)
    parse_webhook: Callable[[bytes, str], Sequence[Event | Incoming | ListChange]] | None = None
    webhook_answer: WebhookAnswer | None = None  # None: ours
    deadline_s: float = 30.0
    follows: bool = True  # whether it ever says what became of a message it took
    encrypted: tuple[str, ...] = ("https",)
    sandbox_door: Door | None = None
    # refuse_outside_tests(payload, test_only): evidence if it would reach a person by a
    # credential, or under a sender, that is for tests
    refuse_outside_tests: Callable[[bytes, bool], Evidence | None] = refuse_in_tests
    # is_for_tests(secrets): whether these let somebody try and nothing else
    is_for_tests: Callable[[Mapping[str, str]], bool] = no_test_secrets
    status_page: StatusPage | None = None
    batch: Batch | None = None  # its adapter is then a BatchAdapter
    weight: Callable[[bytes], int] = weigh_one  # of a single payload; a batch weighs one
    hears: bool = False  # what people write back comes in by its webhooks
    looks_up_numbers: bool = False  # it tells, for a price, what kind of line a number is

    @property
    def calls_back(self) -> bool:
        """Whether it tells by webhook what became of a message it took."""
        return self.parse_webhook is not None

    def signing_secret(self, secrets: Mapping[str, str]) -> str:
        """What its webhooks are signed with."""
        return next(secrets[f.name] for f in self.credential_fields if f.signs)

    def customer(self, secrets: Mapping[str, str]) -> str:
        """What the provider knows the holder of these secrets by. It is a secret itself."""
        return ":".join(secrets[f.name] for f in self.credential_fields if f.identifies)

    def profile(self, secrets: Mapping[str, str]) -> dict[str, str]:
        """What the provider knows of the holder, by the fields' names."""
        known = [f.name for f in self.credential_fields if f.known]
        return {name: secrets[name] for name in known if secrets.get(name)}


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a room may ask with when it examines one of its credentials."""

    provider_title: str
    adapter: Adapter
    environment: Mapping[str, str]
    look_up: LookUp


@dataclass(frozen=True, slots=True)
class SentAgain:
    """A kind of delivery that a person may have sent again after it ended: because under its name
    at the provider nothing is ever there twice.

    `kept` is the database's function of practice and subject that says whether what it is about is
    still here; `gone` says to a person that it is not.
    """

    kind: str
    kept: str
    gone: str


@dataclass(frozen=True, slots=True)
class Integration:
    """One room. `routes` is an optional FastAPI router factory, kept opaque to the kernel.

    `examine` is what the doctor looks at in this room beyond what it asks of every provider.
    `sample(recipient)` is a payload that says nothing: what drills send while no workflow
    sends anything through the room. `streams` are beginnings of addresses whose bodies the routes
    take in piece by piece, and measure themselves. `opened(settings, database, vault)` is the room
    once these are open, for adapters that read what the room keeps.
    """

    name: str
    title: str
    package: str
    providers: tuple[Provider, ...]
    routes: Callable[[], Any] | None = None
    streams: tuple[str, ...] = ()
    sample: Callable[[str], bytes] | None = None
    examine: Callable[[Checkup], Awaitable[Sequence[Finding]]] | None = None
    opened: Callable[[Settings, Any, Any], Integration] | None = None
    sent_again: SentAgain | None = None  # the kind whose ended ones may go again, if there is one

    def provider(self, name: str) -> Provider:
        for provider in self.providers:
            if provider.name == name:
                return provider
        raise LookupError(f"{self.name} has no provider {name!r}")
