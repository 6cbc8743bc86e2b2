"""Mails a second: from the ledger to `accepted`, beside clients that remember nothing."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any

import resend

from benchmarks.figure import Figure
from benchmarks.stage import INVITATION, UNLIMITED_PER_S, Stage, mail
from mentalspace.integrations.email.model import Attachment
from mentalspace.integrations.email.resend.wire import batch_body, email_body

AT_ONCE = 10
IN_BATCH = 100

# The official package types its parameters more narrowly than it needs.
official: Any = resend


async def measure(stage: Stage, count: int) -> list[Figure]:
    """With the sandbox's limit raised and its webhooks off, for all alike."""
    await stage.limit(UNLIMITED_PER_S)
    await stage.account_change(webhook_url=None)
    official.api_url, official.api_key = stage.sandbox, stage.secrets["api_key"]
    bare_batch = await _bare(stage, count, IN_BATCH)
    ours = await _drain(stage, count)
    official_batch = await asyncio.to_thread(_official_batch, count)
    bare_single = await _bare(stage, count // 3, 1)
    singles = await _drain(stage, count // 3, (INVITATION,))
    official_single = await asyncio.to_thread(_official_single, count // 6)
    return [
        Figure("mails/s, ledger to accepted", ours, "/s", "bare aiohttp, batches", bare_batch),
        Figure("", ours, "/s", "bare aiohttp, one by one", bare_single),
        Figure("", ours, "/s", "resend, Batch.send", official_batch),
        Figure("", ours, "/s", "resend, Emails.send", official_single),
        Figure("mails/s that fit no batch", singles, "/s", "bare aiohttp, one by one", bare_single),
        Figure("", singles, "/s", "resend, Emails.send", official_single),
    ]


async def _drain(stage: Stage, count: int, attachments: tuple[Attachment, ...] = ()) -> float:
    await stage.owner("update lane set state = 'paused'")
    ids = await stage.put_in(count, attachments=attachments)
    await stage.owner("update lane set state = 'open'")
    began = time.monotonic()
    await stage.until_accepted(ids)
    return count / (time.monotonic() - began)


async def _bare(stage: Stage, count: int, in_request: int) -> float:
    """The same requests from a bare aiohttp loop, ten at once."""
    run = secrets.token_hex(4)
    turn = asyncio.Semaphore(AT_ONCE)
    path = "/emails" if in_request == 1 else "/emails/batch"

    async def one(first: int) -> None:
        mails = [mail(f"{run}-{n}@demo.example") for n in range(first, first + in_request)]
        headers = {
            "Authorization": f"Bearer {stage.secrets['api_key']}",
            "Idempotency-Key": f"bare-{run}-{first}",
        }
        body = email_body(mails[0]) if in_request == 1 else batch_body(mails)
        async with turn, stage.http.post(stage.sandbox + path, data=body, headers=headers) as got:
            assert got.status == 200, await got.text()

    began = time.monotonic()
    await asyncio.gather(*(one(first) for first in range(0, count, in_request)))
    return count / (time.monotonic() - began)


def _official_single(count: int) -> float:
    run = secrets.token_hex(4)
    began = time.monotonic()
    for number in range(count):
        official.Emails.send(_params(f"{run}-{number}@demo.example"))
    return count / (time.monotonic() - began)


def _official_batch(count: int) -> float:
    run = secrets.token_hex(4)
    began = time.monotonic()
    for first in range(0, count, IN_BATCH):
        numbers = range(first, first + IN_BATCH)
        official.Batch.send([_params(f"{run}-{number}@demo.example") for number in numbers])
    return count / (time.monotonic() - began)


def _params(to: str) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(email_body(mail(to)))
    return params
