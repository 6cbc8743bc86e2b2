"""Webhooks out of the sandbox: signed, retried on the provider's schedule, kept over a crash."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import aiohttp

from mentalspace.emulator.accounts import Account, Accounts
from mentalspace.emulator.clock import VirtualClock
from mentalspace.emulator.journal import Journal, Record

Sign = Callable[[Account, str, datetime, bytes], Mapping[str, str]]

# Seconds from one failed try to the next; the first try is at once.
# source: https://docs.svix.com/retries (Resend lists the same)
RETRY_AFTER_S = (5, 300, 1800, 7200, 18000, 36000, 36000)
ANSWER_WITHIN_S = 15.0
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Hook:
    """One event on its way to one account. `done` is delivered, or given up."""

    id: str
    account: str
    body: str
    due_at: datetime
    tries: int = 0
    last_http: int | None = None
    done: bool = False


class Hooks:
    """Sends what is due on the sandbox's clock. At least once: a crash may repeat a try."""

    def __init__(self, journal: Journal, clock: VirtualClock, accounts: Accounts) -> None:
        self._journal = journal
        self._clock = clock
        self._accounts = accounts
        self._sign: dict[tuple[str, str], Sign] = {}
        self._hooks: dict[str, Hook] = {}
        self._queue: list[tuple[datetime, str]] = []
        self._changed = asyncio.Event()
        clock.subscribe(self._changed.set)
        journal.on("hook", self._apply_added)
        journal.on("hook_try", self._apply_tried)

    def signer(self, room: str, provider: str, sign: Sign) -> None:
        """Sign this provider's webhooks with `sign`."""
        self._sign[room, provider] = sign

    def add(self, hook_id: str, account: Account, body: str, due_at: datetime) -> None:
        """Send `body` once `due_at` has come. Nothing happens for an account without a URL."""
        if account.webhook_url is None:
            return
        self._journal.emit(
            "hook", id=hook_id, account=account.id, body=body, due_at=due_at.isoformat()
        )
        self._changed.set()

    def again(self, hook_id: str) -> bool:
        """Send a webhook once more with the same id, as a provider's replay button does."""
        hook = self._hooks.get(hook_id)
        if hook is None:
            return False
        due_at = self._clock.now()
        self._journal.emit(
            "hook", id=hook.id, account=hook.account, body=hook.body, due_at=due_at.isoformat()
        )
        self._changed.set()
        return True

    def all(self, *, pending: bool = False, account: str | None = None) -> list[Hook]:
        """Newest first."""
        return [
            hook
            for hook in reversed(self._hooks.values())
            if not (pending and hook.done) and account in (None, hook.account)
        ]

    async def run(self) -> None:
        """Send until cancelled."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._changed.clear()
                for hook in self._take_due():
                    group.create_task(self._try(http, hook))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._until_next_s())

    def _take_due(self) -> list[Hook]:
        now = self._clock.now()
        due: list[Hook] = []
        while self._queue and self._queue[0][0] <= now:
            due_at, hook_id = heapq.heappop(self._queue)
            hook = self._hooks[hook_id]
            if not hook.done and hook.due_at == due_at:
                due.append(hook)
        return due

    def _until_next_s(self) -> float | None:
        if not self._queue:
            return None
        return max(0.0, (self._queue[0][0] - self._clock.now()).total_seconds())

    async def _try(self, http: aiohttp.ClientSession, hook: Hook) -> None:
        account = self._accounts.get(hook.account)
        sign = self._sign.get((account.room, account.provider)) if account else None
        if account is None or account.webhook_url is None or sign is None:
            return
        body = hook.body.encode()
        status: int | None = None
        # ValueError: a secret that cannot sign. It fails this webhook, never its neighbours.
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
            signature = sign(account, hook.id, self._clock.now(), body)
            headers = {"content-type": "application/json", **signature}
            async with http.post(
                account.webhook_url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        self._note_try(hook, status)
        with contextlib.suppress(OSError):  # every request hears of it; see the journal
            await self._journal.flush()

    def _note_try(self, hook: Hook, status: int | None) -> None:
        tries = hook.tries + 1
        taken = status is not None and 200 <= status < 300
        given_up = tries > len(RETRY_AFTER_S)
        due_at = self._clock.now()
        if not taken and not given_up:
            due_at += timedelta(seconds=RETRY_AFTER_S[tries - 1])
        self._journal.emit(
            "hook_try",
            id=hook.id,
            tries=tries,
            http=status,
            done=taken or given_up,
            due_at=due_at.isoformat(),
        )
        self._changed.set()

    def _apply_added(self, record: Record) -> None:
        due_at = datetime.fromisoformat(record["due_at"])
        hook = Hook(record["id"], record["account"], record["body"], due_at)
        self._hooks[hook.id] = hook
        heapq.heappush(self._queue, (due_at, hook.id))

    def _apply_tried(self, record: Record) -> None:
        due_at = datetime.fromisoformat(record["due_at"])
        hook = replace(
            self._hooks[record["id"]],
            tries=record["tries"],
            last_http=record["http"],
            done=record["done"],
            due_at=due_at,
        )
        self._hooks[hook.id] = hook
        if not hook.done:
            heapq.heappush(self._queue, (due_at, hook.id))
