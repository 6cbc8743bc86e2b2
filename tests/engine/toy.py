"""A provider of nothing in particular on a real socket, and an engine to work its lanes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.db import Database
from mentalspace.engine.dispatch import dispatch
from mentalspace.engine.events import Reactor
from mentalspace.engine.hours import Hours
from mentalspace.engine.inbox import Hear, Inbox, nobody_listens
from mentalspace.engine.lane import LaneWorker
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.outbound import open_client, retry_after_s
from mentalspace.engine.process import DEAD_AFTER_S, beat
from mentalspace.engine.queue import Queue
from mentalspace.engine.secrets import Vault
from mentalspace.engine.steps import ENGINE_ACTIONS
from mentalspace.engine.suppression import SUPPRESSING
from mentalspace.kernel.case import Disposition, ErrorCase, Fault, Match, Severity, Step
from mentalspace.kernel.clock import OffsetClock
from mentalspace.kernel.delivery import Receipt, Status
from mentalspace.kernel.errors import Evidence, ProviderError, WebhookRefused
from mentalspace.kernel.event import Event, Incoming
from mentalspace.kernel.integration import (
    Answer,
    Batch,
    Credential,
    Http,
    Integration,
    LaneClass,
    Provider,
    Rate,
    WebhookCall,
)
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.rate import rate_left
from mentalspace.kernel.said import read_sentences

WINDOW = timedelta(hours=24)
ADDRESS = "someone.private@clients.example"
SITE = "http://127.0.0.1:1"


# The provider -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """How the next send is answered. `accept` says whether it counts; `lost` cuts the line
    after that; `gate` is waited for before answering. Of a batch, `refused` are
    not taken."""

    http: int = 200
    accept: bool = True
    lost: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    refused: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    at: float
    method: str
    key: str
    http: int
    payloads: tuple[bytes, ...] = ()


class ToyServer:
    """Accepts a key once, however often it comes; `script` is how the next sends go."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.usual = Reply()
        self.accepted: dict[str, str] = {}
        self.batches: dict[str, dict[bytes, str]] = {}
        self.requests: list[Request] = []
        self.statuses: dict[str, str] = {}
        self.asked: list[str] = []
        self.answers_questions = True
        self.finds = True
        self.arrived = asyncio.Event()
        self.port = 0

    @property
    def taken(self) -> list[bytes]:
        """What of batches it took, each as often as that."""
        return [payload for batch in self.batches.values() for payload in batch]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sends(self, key: str | None = None) -> list[Request]:
        return [r for r in self.requests if r.method == "POST" and key in (None, r.key)]

    async def send(self, request: web.Request) -> web.StreamResponse:
        at, key = time.monotonic(), request.headers["Idempotency-Key"]
        reply = self.script.popleft() if self.script else self.usual
        await request.read()
        self.requests.append(Request(at, "POST", key, reply.http))
        self.arrived.set()
        if reply.gate is not None:
            await reply.gate.wait()
        if reply.http == 200 and reply.accept:
            self.accepted.setdefault(key, f"m-{secrets.token_hex(4)}")
        if reply.lost:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = {"id": self.accepted.get(key)} if reply.http == 200 else {"error": "as scripted"}
        return web.json_response(body, status=reply.http, headers=reply.headers)

    async def send_batch(self, request: web.Request) -> web.StreamResponse:
        at, key = time.monotonic(), request.headers["Idempotency-Key"]
        reply = self.script.popleft() if self.script else self.usual
        payloads = tuple(each.encode() for each in await request.json())
        self.requests.append(Request(at, "POST", key, reply.http, payloads))
        self.arrived.set()
        if reply.gate is not None:
            await reply.gate.wait()
        if reply.http == 200 and reply.accept:
            good = [payload for payload in payloads if payload not in reply.refused]
            ids = {payload: f"m-{secrets.token_hex(4)}" for payload in good}
            self.batches.setdefault(key, ids)
        if reply.lost:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        taken = self.batches.get(key, {})
        body = [taken.get(payload) for payload in payloads]
        return web.json_response(body, status=reply.http, headers=reply.headers)

    async def look(self, request: web.Request) -> web.StreamResponse:
        key = request.query["key"]
        self.requests.append(Request(time.monotonic(), "GET", key, 200))
        if not self.finds:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"id": self.accepted.get(key)})

    async def tell(self, request: web.Request) -> web.StreamResponse:
        message_id = request.query["id"]
        self.asked.append(message_id)
        if not self.answers_questions:
            return web.Response(status=503)
        return web.json_response({"status": self.statuses.get(message_id)})


@asynccontextmanager
async def toy_server() -> AsyncIterator[ToyServer]:
    server = ToyServer()
    application = web.Application()
    application.add_routes(
        [
            web.post("/send", server.send),
            web.post("/batch", server.send_batch),
            web.get("/sent", server.look),
            web.get("/status", server.tell),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


# Its room -----------------------------------------------------------------------------------


class ToyAdapter:
    def __init__(self, http: Http, credential: Credential) -> None:
        self._http, self._base_url = http, credential.base_url

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        answer = await self._http.request(
            "POST",
            f"{self._base_url}/send",
            headers={"Idempotency-Key": idempotency_key},
            body=payload,
        )
        return Receipt(_good(answer)["id"], rate=rate_left(answer.headers))

    async def send_batch(
        self, payloads: Sequence[bytes], *, idempotency_key: str
    ) -> Sequence[Receipt | Evidence]:
        answer = await self._http.request(
            "POST",
            f"{self._base_url}/batch",
            headers={"Idempotency-Key": idempotency_key},
            body=json.dumps([payload.decode() for payload in payloads]).encode(),
        )
        rate = rate_left(answer.headers)
        return [
            Evidence("http", answer.http, "not_you", rate=rate)
            if name is None
            else Receipt(name, rate=rate)
            for name in _good(answer)
        ]

    async def reconcile(
        self,
        payload: bytes,  # noqa: ARG002
        *,
        idempotency_key: str,
        first_attempt_age: timedelta,
        last_send_age: timedelta,  # noqa: ARG002
        taken: Collection[str],  # noqa: ARG002
    ) -> Receipt | None:
        if first_attempt_age >= WINDOW:
            raise ProviderError(Evidence("refused_locally", code="window_passed"))
        answer = await self._http.request(
            "GET", f"{self._base_url}/sent?key={idempotency_key}", headers={}
        )
        found = json.loads(answer.body)["id"]
        return None if found is None else Receipt(found)

    async def look_up(self, provider_message_id: str) -> Event | None:
        answer = await self._http.request(
            "GET", f"{self._base_url}/status?id={provider_message_id}", headers={}
        )
        if answer.http != 200:
            raise ProviderError(Evidence("http", http=answer.http))
        status = json.loads(answer.body)["status"]
        if status is None:
            return None
        return Event(provider_message_id, f"toy.{status}", Status(status), datetime.now(UTC))

    async def check(self) -> str:
        return "it answers"


_SAID = read_sentences('sentences = ["We do not like …."]')
_PROSE = Phi(f"We do not like {ADDRESS}.")


def _good(answer: Answer) -> Any:
    if answer.http != 200:
        raise ProviderError(
            Evidence(
                "http",
                http=answer.http,
                message=_PROSE,
                said=_SAID.find(_PROSE),
                retry_after_s=retry_after_s(answer.headers),
                rate=rate_left(answer.headers),
            )
        )
    return json.loads(answer.body)


def _guard(payload: bytes) -> Evidence | None:
    return Evidence("refused_locally", code="invalid") if b"invalid" in payload else None


def _verify(call: WebhookCall, keys: Mapping[str, str], now: datetime) -> str:
    if call.headers.get("x-key") not in keys["api_key"].split():
        raise WebhookRefused("signature", "that is not the key")
    return call.headers["x-id"]


def _parse(raw: bytes, query: str) -> Sequence[Event | Incoming]:
    try:
        body = json.loads(raw)
        if body["kind"] == "toy.said":
            at = datetime.fromisoformat(body["at"])
            return [Incoming(str(body["id"]), Phi(ADDRESS), Phi(body["text"]), at, body["kind"])]
        return [
            Event(
                str(body["id"]),
                body["kind"],
                Status(body["status"]) if body["status"] else None,
                datetime.fromisoformat(body["at"]),
                body.get("code"),
                reference=query.removeprefix("ref=") or None,
            )
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookRefused("body", "not an event") from error


PROVIDER = Provider(
    name="acme",
    package="tests.engine.toy",
    title="Acme",
    live_base_url="https://acme.example",
    base_url_env="ACME_BASE_URL",
    credential_fields=(),
    rate=Rate(per_s=2000, burst=200),
    adapter=ToyAdapter,
    guard=_guard,
    verify_webhook=_verify,
    parse_webhook=_parse,
    deadline_s=5,
)
# The same, of a provider that takes up to four in one request.
BATCHING = replace(
    PROVIDER, batch=Batch(most=4, fits=lambda payload: b"big" not in payload, key_lasts=WINDOW)
)
ROOM = Integration(name="toy", title="Toy", package="tests.engine.toy", providers=(PROVIDER,))


def case(
    name: str,
    match: Match | None,
    disposition: Disposition,
    *,
    fault: Fault = Fault.THEIRS,
    steps: tuple[Step, ...] = (),
) -> ErrorCase:
    return ErrorCase(
        id=f"toy.{name}",
        title=name,
        match=() if match is None else (match,),
        severity=Severity.LOW,
        disposition=disposition,
        fault=fault,
        steps=steps,
        drill=None,
        source="own: test",
        version=1,
        owner="nobody",
        reviewed=date(2026, 1, 1),
        next_review=date(2026, 4, 1),
        body="",
        path=Path("none.md"),
        integration="toy",
        provider="acme",
    )


D = Disposition
CASES = (
    case("unmatched", None, D.HUMAN, fault=Fault.OURS),
    case("busy", Match(http=frozenset({503})), D.RETRY),
    case("too_fast", Match(http=frozenset({429})), D.RETRY, fault=Fault.OURS),
    case("bad_key", Match(http=frozenset({401})), D.WAIT, fault=Fault.OURS),
    case("no_such_person", Match(http=frozenset({422})), D.REFUSE, fault=Fault.RECIPIENT),
    case("ours", Match(http=frozenset({400})), D.REFUSE, fault=Fault.OURS),
    case("invalid", Match(code=frozenset({"invalid"})), D.REFUSE, fault=Fault.RECIPIENT),
    case("silence", Match(kind=frozenset({"timeout", "reset", "malformed"})), D.RECONCILE),
    case("no_line", Match(kind=frozenset({"connect"})), D.RETRY),
)


async def _crowded() -> bool:
    return True


# The engine that works it -------------------------------------------------------------------


@dataclass(slots=True)
class Bench:
    """A database, the toy's server and a worker that works only when told to."""

    admin: asyncpg.Connection[Any]
    database: Database
    vault: Vault
    queue: Queue
    server: ToyServer
    clients: Mapping[bool, Any]
    practice_id: UUID
    credential_id: UUID
    cases: tuple[ErrorCase, ...] = CASES
    provider: Provider = PROVIDER

    def worker(self, name: str = "worker:test") -> LaneWorker:
        return LaneWorker(
            database=self.database,
            vault=self.vault,
            rooms={"toy": self.room},
            cases=lambda _room, _provider: self.cases,
            clients=self.clients,
            actions={**ENGINE_ACTIONS, **SUPPRESSING},
            name=name,
            random=Random(1),
            crowded=_crowded,
            site_url=SITE,
        )

    @property
    def room(self) -> Integration:
        return Integration("toy", "Toy", "tests.engine.toy", (self.provider,))

    @property
    def reactor(self) -> Reactor:
        return Reactor(lambda _room, _provider: self.cases, {**ENGINE_ACTIONS, **SUPPRESSING})

    def inbox(self, hear: Hear = nobody_listens) -> Inbox:
        rooms = {"toy": self.room}
        return Inbox(self.database, self.vault, rooms, OffsetClock(), self.reactor, hear, SITE)

    async def deliver(
        self,
        payload: bytes = b"hello",
        *,
        practice_id: UUID | None = None,
        lane_class: LaneClass = "interactive",
        key: str | None = None,
        to: str = ADDRESS,
        expires_in: timedelta | None = None,
        drill: str | None = None,
        hours: Hours | None = None,
        despite_suppression: bool = False,
    ) -> UUID:
        """Enqueue one delivery; its id."""
        practice_id = practice_id or self.practice_id
        now = await self.admin.fetchval("select app.now()")
        async with self.database.as_worker(practice_id) as connection:
            delivery_id = await enqueue(
                connection,
                self.vault,
                NewDelivery(
                    practice_id=practice_id,
                    integration="toy",
                    lane_class=lane_class,
                    kind="greeting",
                    idempotency_key=key or f"toy/{secrets.token_hex(6)}",
                    payload=payload,
                    recipient=Phi(to),
                    expires_at=None if expires_in is None else now + expires_in,
                    drill=drill,
                    hours=hours,
                    despite_suppression=despite_suppression,
                ),
            )
        assert delivery_id is not None
        return delivery_id

    async def dispatch(self) -> int:
        return await dispatch(self.database, self.queue)

    async def past_the_restart(self) -> None:
        """Right after PostgreSQL has started nobody is taken for dead; wait until that is over."""
        await self.admin.execute(
            "select pg_sleep_until(pg_postmaster_start_time() + $1 * interval '1 s')", DEAD_AFTER_S
        )

    async def turn(self, worker: LaneWorker | None = None) -> None:
        """One tick of the dispatcher, then one turn of every lane it would wake."""
        worker = worker or self.worker()
        await beat(self.database, worker.name, "worker")
        await self.dispatch()
        for lane in await self.admin.fetch(
            "select practice_id, id from lane where state = 'open' or paused_for_phi"
        ):
            await worker.work(f"{lane['practice_id']}/{lane['id']}")

    async def turns(self, count: int, by: timedelta = timedelta(hours=2)) -> None:
        """Several turns, the clock moved before each so that every back-off has passed."""
        for _ in range(count):
            await self.advance(by)
            await self.turn()

    async def advance(self, by: timedelta) -> None:
        await self.admin.fetchval("select app.advance_clock($1)", by)

    async def row(self, delivery_id: UUID) -> dict[str, Any]:
        row = await self.admin.fetchrow("select * from delivery where id = $1", delivery_id)
        assert row is not None
        return dict(row)

    async def status(self, delivery_id: UUID) -> str:
        return str((await self.row(delivery_id))["status"])

    async def kinds(self, delivery_id: UUID) -> list[str]:
        rows = await self.admin.fetch(
            "select kind from timeline where delivery_id = $1 order by id", delivery_id
        )
        return [row["kind"] for row in rows]

    async def lane_states(self) -> set[str]:
        return {row["state"] for row in await self.admin.fetch("select state from lane")}

    async def breaker(self) -> dict[str, Any]:
        row = await self.admin.fetchrow(
            "select *, extract(epoch from open_until - clock_timestamp()) as opens_in"
            " from credential_state where credential_id = $1",
            self.credential_id,
        )
        assert row is not None
        return dict(row)

    async def save_credential(
        self,
        practice_id: UUID,
        endpoint: str,
        api_key: str,
        *,
        base_url: str | None = None,
        rank: int = 1,
    ) -> UUID:
        return await save_credential(
            self.admin,
            self.vault,
            self.provider,
            NewCredential(
                practice_id,
                "toy",
                endpoint,
                base_url or self.server.base_url,
                False,
                {"api_key": api_key},
                rank=rank,
            ),
        )


async def make_practice(admin: asyncpg.Connection[Any], slug: str) -> UUID:
    practice_id: UUID = await admin.fetchval(
        "insert into practice (slug, name, timezone) values ($1, $1, 'America/New_York')"
        " returning id",
        slug,
    )
    return practice_id


@asynccontextmanager
async def open_bench(
    admin: asyncpg.Connection[Any],
    database: Database,
    vault: Vault,
    queue_url: str,
) -> AsyncIterator[Bench]:
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    queue = Queue(queue_url)
    async with toy_server() as server, open_client(live=False) as client:
        practice_id = await make_practice(admin, "first")
        bench = Bench(
            admin, database, vault, queue, server, {False: client}, practice_id, practice_id
        )
        bench.credential_id = await bench.save_credential(practice_id, "default", "k-1")
        try:
            yield bench
        finally:
            await queue.close()
