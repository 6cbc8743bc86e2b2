"""Texts at the permitted segments a second, and a code that somebody waits for behind reminders."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp

from benchmarks.figure import Figure, percentile
from benchmarks.stage import Stage
from mentalspace.emulator.accounts import account_id
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.segments import count
from mentalspace.kernel.integration import LaneClass
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.sandbox_keeping import call_sandbox

SEGMENTS_PER_S = 10
BACKLOG = 5_000
AIM_S = 5.0
SETTLE_S = 2.0
# Of one, two and three segments.
BODIES = tuple("A test of the connection. " * times for times in (1, 8, 14))
MEAN_SEGMENTS = sum(count(body).segments for body in BODIES) / len(BODIES)
_TOOK = """
select extract(epoch from accepted_at - created_at)::float8 from delivery where id = $1
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sandbox took of an account from its first text on."""

    share: float
    queued_s: float
    refused: int


@dataclass(frozen=True, slots=True)
class Phone:
    """The practice's Twilio account, and a peer's of its own with the same allowance."""

    stage: Stage
    account: str
    peer_sid: str
    peer_token: str

    @property
    def peer_account(self) -> str:
        return account_id("sms", "twilio", f"{self.peer_sid}:{self.peer_token}")

    async def put_in(self, number: int, body: str, lane_class: LaneClass, kind: str) -> UUID:
        """One text to a number of its own, due at once."""
        stage, text = self.stage, Text(_number(number), body, kind, "en")
        new = NewDelivery(
            practice_id=stage.practice_id,
            integration="sms",
            lane_class=lane_class,
            kind=kind,
            idempotency_key=f"bench/text/{secrets.token_hex(8)}",
            payload=text.to_bytes(),
            recipient=Phi(text.to),
            expires_at=stage.services.clock.now() + timedelta(hours=12),
        )
        claims = system_claims(stage.practice_id)
        async with stage.services.database.as_user(claims) as connection:
            delivery_id = await enqueue(connection, stage.services.vault, new)
        assert delivery_id is not None
        return delivery_id

    async def backlog(self, texts: int) -> None:
        """Reminders that are all due when the lanes open."""
        await self.stage.owner("update lane set state = 'paused'")
        for start in range(0, texts, 4):
            group = range(start, min(start + 4, texts))
            await asyncio.gather(
                *(self.put_in(n, BODIES[n % len(BODIES)], "bulk", "reminder") for n in group)
            )

    async def send_bare(self, http: aiohttp.ClientSession, number: int, body: str) -> int:
        """One request as plain as it can be; its status."""
        form = {"To": _number(number), "From": "+15005550006", "Body": body}
        url = f"{self.stage.services.settings.sandbox_url}/sms/twilio/2010-04-01/Accounts"
        auth = aiohttp.BasicAuth(self.peer_sid, self.peer_token)
        async with http.post(
            f"{url}/{self.peer_sid}/Messages.json", data=form, auth=auth
        ) as answer:
            json.loads(await answer.read())
            return answer.status


async def measure_pace(stage: Stage, seconds: float) -> list[Figure]:
    """Texts of one to three segments; beside them a loop that spaces its own by their segments.

    Twilio queues what comes too fast, so that a share alone proves nothing: how long the last
    waited there shows whether we kept to the rate ourselves.
    """
    async with _phone(stage) as phone:
        await phone.backlog(int((seconds + 2 * SETTLE_S) * SEGMENTS_PER_S / MEAN_SEGMENTS) + 10)
        since = stage.services.clock.now()
        await stage.owner("update lane set state = 'open'")
        await _evenly(phone, seconds + SETTLE_S)
        ours = await _seen(phone, phone.account, since, seconds)
        peers = await _seen(phone, phone.peer_account, since, seconds)
    await stage.clear_ledger()
    evenly = "a bare loop, evenly spaced"
    return [
        Figure(
            f"share of {SEGMENTS_PER_S} segments/s, {seconds:.0f} s", ours.share * 100, "%", evenly,
            peers.share * 100, aim="at least 99 %", met=ours.share >= 0.99,
        ),
        Figure(
            "longest wait in the provider's queue", ours.queued_s, "s", evenly, peers.queued_s,
            less_is_better=True, aim="under 1 s", met=ours.queued_s < 1,
        ),
        Figure(
            "20429s met", ours.refused, "", evenly, peers.refused, less_is_better=True,
            aim="none", met=ours.refused == 0,
        ),
    ]  # fmt: skip


async def measure_code(stage: Stage, seconds: float) -> list[Figure]:
    """One code a second, while reminders of a quarter of an hour want every slot."""
    async with _phone(stage) as phone:
        await phone.backlog(BACKLOG)
        await stage.owner("update lane set state = 'open'")
        await asyncio.sleep(SETTLE_S)
        waited_for = []
        for number in range(int(seconds)):
            waited_for.append(await phone.put_in(number, BODIES[0], "interactive", "login_code"))
            await asyncio.sleep(1)
        await stage.until_accepted(waited_for)
        left = await stage.owner("select count(*) from delivery where status in ('pending', 'due')")
        assert left > BACKLOG / 2, "the backlog was gone too early to measure against it"
        took = [await stage.owner(_TOOK, each) for each in waited_for]
        await stage.clear_ledger()
        alone = []
        for number in range(10):
            began = time.monotonic()
            assert await phone.send_bare(stage.http, number, BODIES[0]) == 201
            alone.append(time.monotonic() - began)
            await asyncio.sleep(0.2)
    p95 = percentile(took, 0.95)
    beside = "bare aiohttp, nothing waiting"
    return [
        Figure(
            f"log-in code behind {BACKLOG:,}, p50", percentile(took, 0.5), "s", beside,
            percentile(alone, 0.5), less_is_better=True,
        ),
        Figure(
            f"log-in code behind {BACKLOG:,}, p95", p95, "s", beside, percentile(alone, 0.95),
            less_is_better=True, aim=f"under {AIM_S:.0f} s", met=p95 < AIM_S,
        ),
    ]  # fmt: skip


@asynccontextmanager
async def _phone(stage: Stage) -> AsyncIterator[Phone]:
    """Both senders may do ten segments a second."""
    async with connect_owner(stage.services.admin_url) as owner:
        endpoint = await owner.fetchval(
            "select endpoint from credential where practice_id = $1 and integration = 'sms'"
            " and drill is null",
            stage.practice_id,
        )
        found = await read_secrets(owner, stage.services.vault, "sms", endpoint)
        await owner.execute(
            "update credential set rate_per_s = $1 where integration = 'sms'",
            float(SEGMENTS_PER_S),
        )
    assert found is not None
    provider = stage.services.rooms["sms"].provider("twilio")
    ours = account_id("sms", "twilio", provider.customer(found))
    strict = {"segments_per_s": SEGMENTS_PER_S}
    known = await call_sandbox(stage.services, "GET", "/accounts")
    [options] = [a["options"] for a in known if a["id"] == ours]
    await call_sandbox(
        stage.services, "PATCH", f"/accounts/sms/twilio/{ours}", {"options": {**options, **strict}}
    )
    sid, token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
    body = {"api_key": f"{sid}:{token}", "options": {"account_sid": sid, **strict}}
    await call_sandbox(stage.services, "PUT", "/accounts/sms/twilio", body)
    yield Phone(stage, ours, sid, token)
    await call_sandbox(
        stage.services, "PATCH", f"/accounts/sms/twilio/{ours}", {"options": options}
    )


async def _evenly(phone: Phone, seconds: float) -> None:
    """Send whenever the segments before it have had their time, whatever is answered."""
    began, at, number = time.monotonic(), 0.0, 0
    async with asyncio.TaskGroup() as group:
        while at < seconds:
            body = BODIES[number % len(BODIES)]
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            group.create_task(phone.send_bare(phone.stage.http, number, body))
            at += count(body).segments / SEGMENTS_PER_S
            number += 1


async def _seen(phone: Phone, account: str, since: datetime, seconds: float) -> Seen:
    services = phone.stage.services
    mailbox = await call_sandbox(services, "GET", f"/mailbox?account={account}&limit=100000")
    taken = [(datetime.fromisoformat(m["at"]), m["content"]) for m in mailbox]
    first = min(at for at, _ in taken if at >= since)
    within = [(at, c) for at, c in taken if first <= at < first + timedelta(seconds=seconds)]
    share = sum(c["segments"] for _, c in within) / (seconds * SEGMENTS_PER_S)
    queued = [
        datetime.fromisoformat(c["free_at"])
        - at
        - timedelta(seconds=c["segments"] / SEGMENTS_PER_S)
        for at, c in within
    ]
    entries: list[dict[str, Any]] = await call_sandbox(
        services, "GET", f"/recorder?{urlencode({'account': account, 'since': since})}"
    )
    refused = sum(e["http"] == 429 for e in entries)
    return Seen(share, max(queued).total_seconds(), refused)


def _number(number: int) -> str:
    return f"+1212{200 + number // 10_000}{number % 10_000:04d}"
