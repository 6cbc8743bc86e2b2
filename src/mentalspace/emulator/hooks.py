"""Webhooks out of the sandbox: signed, retried on the provider's schedule, kept over a crash."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

import aiohttp

from mentalspace.emulator.accounts import Account, Accounts
from mentalspace.emulator.clock import VirtualClock
from mentalspace.emulator.faults import Faults, HookFault
from mentalspace.emulator.hook import Hook, News, Try, hook_of, hook_record
from mentalspace.emulator.journal import Journal, Record

Sign = Callable[[Account, str, datetime, bytes], Mapping[str, str]]
# The account as one of its endpoints has it: `webhook_url` and `webhook_secret` are that
# endpoint's. None: it is gone.
Endpoint = Callable[[Account, str], Account | None]

# How a try that was not taken ended: by a status, no connection, or no answer over one.
Ending = int | Literal["connect", "read"]

# Seconds from one failed try to the next; the first try is at once.
# source: https://docs.svix.com/retries (Resend lists the same)
RETRY_AFTER_S = (5, 300, 1800, 7200, 18000, 36000, 36000)
ANSWER_WITHIN_S = 15.0
AT_ONCE = 32
# Of those that were delivered or given up; older ones are forgotten.
KEPT = 20_000


class Manners(Protocol):
    """How a provider waits for an answer, and when it tries again."""

    def within_s(self, url: str) -> tuple[float, float]:
        """Until there must be a connection, and until there must be an answer."""
        ...

    def again_s(self, url: str, tries: int, ending: Ending) -> float | None:
        """Until the next try, after so many; None to give up."""
        ...


class UsualManners:
    """Svix's."""

    def within_s(self, _url: str) -> tuple[float, float]:
        return ANSWER_WITHIN_S, ANSWER_WITHIN_S

    def again_s(self, _url: str, tries: int, _ending: Ending) -> float | None:
        return RETRY_AFTER_S[tries - 1] if tries <= len(RETRY_AFTER_S) else None


USUAL = UsualManners()


class Hooks:
    """Sends what is due on the sandbox's clock. At least once: a crash may repeat a try."""

    def __init__(
        self, journal: Journal, clock: VirtualClock, accounts: Accounts, faults: Faults
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._accounts = accounts
        self._faults = faults
        self._sign: dict[tuple[str, str], Sign] = {}
        self._endpoint: dict[tuple[str, str], Endpoint] = {}
        self._manners: dict[tuple[str, str], Manners] = {}
        self._hooks: dict[str, Hook] = {}
        self._about: dict[str, list[str]] = {}
        self._done: deque[str] = deque()
        self._queue: list[tuple[datetime, str]] = []
        self._changed = asyncio.Event()
        clock.subscribe(self._changed.set)
        journal.on("hook", self._apply_added)
        journal.on("hook_try", self._apply_tried)
        journal.on("hook_withdrawn", self._apply_withdrawn)
        journal.compact(["hook", "hook_try", "hook_withdrawn"], self._snapshot)

    def signer(
        self,
        room: str,
        provider: str,
        sign: Sign,
        endpoint: Endpoint | None = None,
        manners: Manners = USUAL,
    ) -> None:
        """Sign this provider's webhooks with `sign`, whose headers may say that they are no JSON;
        `endpoint` finds an account's further ones."""
        self._sign[room, provider] = sign
        self._manners[room, provider] = manners
        if endpoint is not None:
            self._endpoint[room, provider] = endpoint

    def add(self, hook_id: str, account: Account, body: str, due_at: datetime) -> None:
        """Send one event once `due_at` has come."""
        self.tell(account, [News(hook_id, "", body, due_at)])

    def tell(self, account: Account, news: Sequence[News], endpoint: str = "") -> None:
        """Send what happened to one thing, each event once its `due_at` has come.

        Nothing happens for an endpoint without an address. Faults in force may repeat, delay,
        lose or reorder the events.
        """
        if self._target(account, endpoint) is None:
            return
        for item in self._reordered(account, news):
            self._plan(account, item, endpoint)
        self._changed.set()

    def withdraw(self, about: str) -> None:
        """What is still ahead of this thing is never sent."""
        for hook_id in list(self._about.get(about, ())):
            hook = self._hooks.get(hook_id)
            if hook is not None and not hook.done and hook.due_at > self._clock.now():
                self._journal.emit("hook_withdrawn", id=hook_id)

    def again(self, hook_id: str) -> bool:
        """Send a webhook once more with the same id, as a provider's replay button does."""
        hook = self._hooks.get(hook_id)
        if hook is None:
            return False
        self._emit(replace(hook, due_at=self._clock.now(), done=False, lost=False))
        self._changed.set()
        return True

    def all(self, *, pending: bool = False, account: str | None = None) -> list[Hook]:
        """Newest first."""
        return [
            hook
            for hook in reversed(self._hooks.values())
            if not (pending and hook.done) and account in (None, hook.account)
        ]

    def of(self, about: str) -> list[Hook]:
        """What tells of one thing, oldest first."""
        found = (self._hooks.get(hook_id) for hook_id in self._about.get(about, ()))
        return [hook for hook in found if hook is not None]

    @property
    def pending(self) -> int:
        return len(self._hooks) - len(self._done)

    async def run(self) -> None:
        """Send until cancelled."""
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._changed.clear()
                for hook in self._take_due():
                    group.create_task(self._try(http, hook))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._until_next_s())

    # Before: how it is planned, and what faults make of the plan -----------------------------

    def _reordered(self, account: Account, news: Sequence[News]) -> list[News]:
        """The last event first, if a fault says so and there are two or more."""
        if len(news) < 2 or not self._meets(account, news[0].event, "hook_reorder"):
            return list(news)
        moments = sorted((item.due_at for item in news), reverse=True)
        told = sorted(news, key=lambda item: item.due_at)
        return [replace(item, due_at=at) for item, at in zip(told, moments, strict=True)]

    def _plan(self, account: Account, news: News, endpoint: str) -> None:
        hook = Hook(
            id=f"{news.id}:{endpoint}" if endpoint else news.id,
            message=news.id,
            account=account.id,
            body=news.body,
            due_at=news.due_at,
            event=news.event,
            about=news.about,
            endpoint=endpoint,
        )
        if self._meets(account, news.event, "hook_drop"):
            self._emit(replace(hook, done=True, lost=True))
            return
        late = self._meets(account, news.event, "hook_delay")
        if late is not None:
            hook = replace(hook, due_at=hook.due_at + late)
        self._emit(hook)
        after = self._meets(account, news.event, "hook_duplicate")
        if after is not None:
            self._emit(replace(hook, id=f"{hook.id}:again", due_at=hook.due_at + after))

    def _meets(self, account: Account, event: str, kind: HookFault) -> timedelta | None:
        fault = self._faults.pick_hook(account.room, account.provider, account.id, event, kind)
        return None if fault is None else timedelta(seconds=fault.latency_s)

    def _emit(self, hook: Hook) -> None:
        self._journal.emit("hook", **hook_record(hook))

    # At the time: signed and posted ----------------------------------------------------------

    def _take_due(self) -> list[Hook]:
        now = self._clock.now()
        due: list[Hook] = []
        while self._queue and self._queue[0][0] <= now:
            due_at, hook_id = heapq.heappop(self._queue)
            hook = self._hooks.get(hook_id)
            if hook is not None and not hook.done and hook.due_at == due_at:
                due.append(hook)
        return due

    def _until_next_s(self) -> float | None:
        if not self._queue:
            return None
        return max(0.0, (self._queue[0][0] - self._clock.now()).total_seconds())

    async def _try(self, http: aiohttp.ClientSession, hook: Hook) -> None:
        account = self._accounts.get(hook.account)
        sign = self._sign.get((account.room, account.provider)) if account else None
        if account is None or sign is None:
            return  # nobody plays this provider now
        target = self._target(account, hook.endpoint)
        if target is None or target.webhook_url is None:
            self._settle(hook, "", USUAL, "connect")
            return
        body = hook.body.encode()
        forged = self._meets(target, hook.event, "hook_bad_signature") is not None
        signed = body + b" " if forged else body
        manners = self._manners[account.room, account.provider]
        connect_s, total_s = manners.within_s(target.webhook_url)
        ending: Ending = "read"
        # ValueError: a secret that cannot sign. It fails this webhook, never its neighbours.
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
            signature = sign(target, hook.message, self._clock.now(), signed)
            headers = {"content-type": "application/json", **signature}
            try:
                async with http.post(
                    target.webhook_url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=connect_s),
                ) as answer:
                    await answer.read()
                    ending = answer.status
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                ending = "connect"
        current = self._hooks.get(hook.id, hook)
        self._settle(current, target.webhook_url, manners, ending)
        await self._journal.flush()

    def _settle(self, hook: Hook, url: str, manners: Manners, ending: Ending) -> None:
        now = self._clock.now()
        status = ending if isinstance(ending, int) else None
        taken = status is not None and 200 <= status < 300
        again_s = None if taken else manners.again_s(url, len(hook.tries) + 1, ending)
        self._journal.emit(
            "hook_try",
            id=hook.id,
            at=now.isoformat(),
            http=status,
            done=again_s is None,
            due_at=(now + timedelta(seconds=again_s or 0)).isoformat(),
        )
        self._changed.set()

    def _target(self, account: Account, endpoint: str) -> Account | None:
        find = self._endpoint.get((account.room, account.provider))
        target = find(account, endpoint) if find else account
        return target if target and target.webhook_url else None

    # The journal's side ----------------------------------------------------------------------

    def _apply_added(self, record: Record) -> None:
        hook = hook_of(record)
        if hook.id not in self._hooks and hook.about:
            self._about.setdefault(hook.about, []).append(hook.id)
        self._keep(hook)

    def _apply_tried(self, record: Record) -> None:
        hook = self._hooks.get(record["id"])
        if hook is not None:
            tried = Try(str(record.get("at", record["due_at"])), record["http"])
            self._keep(
                replace(
                    hook,
                    tries=(*hook.tries, tried),
                    done=record["done"],
                    due_at=datetime.fromisoformat(record["due_at"]),
                )
            )

    def _apply_withdrawn(self, record: Record) -> None:
        self._forget(record["id"])

    def _keep(self, hook: Hook) -> None:
        before = self._hooks.get(hook.id)
        if before is not None and before.done:
            self._done.remove(hook.id)
        self._hooks[hook.id] = hook
        if not hook.done:
            heapq.heappush(self._queue, (hook.due_at, hook.id))
            return
        self._done.append(hook.id)
        if len(self._done) > KEPT:
            self._forget(self._done.popleft())

    def _forget(self, hook_id: str) -> None:
        hook = self._hooks.pop(hook_id, None)
        if hook is not None and hook.about:
            ids = self._about[hook.about]
            ids.remove(hook_id)
            if not ids:
                del self._about[hook.about]

    def _snapshot(self) -> Iterable[Record]:
        for hook in self._hooks.values():
            yield {"kind": "hook", **hook_record(hook)}
