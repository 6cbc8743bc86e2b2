"""A minute at the permitted ten requests a second: how much of it is used, how much refused."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks.figure import Figure
from benchmarks.stage import INVITATION, Stage, mail
from mentalspace.integrations.email.resend.wire import email_body
from mentalspace.workflows.sandbox_keeping import call_sandbox

PERMITTED_PER_S = 10
# The window our first request opens may cost a moment to find.
SETTLE_S = 2.0


async def measure(stage: Stage, seconds: float) -> list[Figure]:
    """Mails that fit no batch, so that each is a request; beside them, on an account of its own, a
    loop that sends evenly at ten a second."""
    await stage.limit(PERMITTED_PER_S)
    peer_key = f"re_peer_{secrets.token_hex(4)}"
    peer_account = await stage.another_account(peer_key, PERMITTED_PER_S)
    count = int((seconds + 2 * SETTLE_S) * PERMITTED_PER_S)
    await stage.owner("update lane set state = 'paused'")
    await stage.put_in(count, attachments=(INVITATION,))
    since = stage.services.clock.now()
    await stage.owner("update lane set state = 'open'")
    await _evenly(stage, peer_key, seconds + SETTLE_S)
    ours, refused = await _seen(stage, stage.account, since, seconds)
    peers, peers_refused = await _seen(stage, peer_account, since, seconds)
    await stage.clear_ledger()
    evenly = "a bare loop, evenly spaced"
    return [
        Figure(
            f"share of {PERMITTED_PER_S}/s used, {seconds:.0f} s", ours * 100, "%", evenly,
            peers * 100, aim="at least 99 %", met=ours >= 0.99,
        ),
        Figure(
            "429s met", refused, "", evenly, peers_refused, less_is_better=True,
            aim="none", met=refused == 0,
        ),
    ]  # fmt: skip


async def _seen(stage: Stage, account: str, since: datetime, seconds: float) -> tuple[float, int]:
    """What the sandbox recorded from an account's first request on: share accepted, and 429s."""
    entries: list[dict[str, Any]] = await call_sandbox(
        stage.services, "GET", f"/recorder?{urlencode({'account': account, 'since': since})}"
    )
    sends = [e for e in entries if e["method"] == "POST"]
    first = _at(sends[0])
    within = [e for e in sends if _at(e) < first + timedelta(seconds=seconds)]
    accepted = sum(e["http"] == 200 for e in within)
    return accepted / (seconds * PERMITTED_PER_S), sum(e["http"] == 429 for e in within)


def _at(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["at"])


async def _evenly(stage: Stage, key: str, seconds: float) -> None:
    """Send every tenth of a second, whatever is answered."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def one(number: int) -> None:
        await asyncio.sleep(began + number / PERMITTED_PER_S - time.monotonic())
        body = email_body(mail(f"even-{number}@demo.example"))
        async with stage.http.post(f"{stage.sandbox}/emails", data=body, headers=headers) as got:
            json.loads(await got.read())

    await asyncio.gather(*(one(n) for n in range(int(seconds * PERMITTED_PER_S))))
