"""Webhooks: retried with the same id on the virtual clock, across a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.hooks import RETRY_AFTER_S
from mentalspace.emulator.kit import Kit, open_kit
from mentalspace.kernel.errors import Refused
from tests.emulator.conftest import Receiver


def sign(_account: Account, hook_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    return {"hook-id": hook_id, "hook-at": str(at.timestamp()), "hook-size": str(len(body))}


@contextlib.asynccontextmanager
async def kit_at(directory: Path) -> AsyncIterator[Kit]:
    kit = open_kit(directory, seed=1)
    kit.hooks.signer("email", "resend", sign)
    kit.journal.load()
    running = asyncio.create_task(kit.hooks.run())
    yield kit
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await kit.journal.close()


async def test_failed_webhooks_are_retried_on_schedule_with_one_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Eight tries at the provider's intervals, all with one id; then it is given up."""
    receiver.status = 500
    async with kit_at(tmp_path) as kit:
        account = kit.accounts.put("email", "resend", "key", webhook_url=receiver.url)
        kit.hooks.add("msg_1", account, "{}", kit.clock.now())
        await receiver.wait_for(1)
        for number, interval_s in enumerate(RETRY_AFTER_S, start=2):
            await asyncio.sleep(0.03)
            assert len(receiver.got) == number - 1
            kit.clock.move(kit.clock.offset.total_seconds() + interval_s)
            await receiver.wait_for(number)
        await asyncio.sleep(0.03)
        kit.clock.move(kit.clock.offset.total_seconds() + 86400)
        await asyncio.sleep(0.05)
        assert len(receiver.got) == len(RETRY_AFTER_S) + 1
        assert {headers["hook-id"] for headers, _body in receiver.got} == {"msg_1"}
        assert not kit.hooks.all(pending=True)
    tried_at = [float(headers["hook-at"]) for headers, _body in receiver.got]
    assert tried_at[-1] - tried_at[0] >= sum(RETRY_AFTER_S)


async def test_pending_webhooks_outlive_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    """A webhook that was not taken is tried again by the next process, once it is due."""
    receiver.status = 503
    async with kit_at(tmp_path) as kit:
        account = kit.accounts.put("email", "resend", "key", webhook_url=receiver.url)
        kit.hooks.add("msg_2", account, '{"n":2}', kit.clock.now())
        await receiver.wait_for(1)
        await asyncio.sleep(0.03)
    receiver.status = 200
    async with kit_at(tmp_path) as kit:
        assert [len(hook.tries) for hook in kit.hooks.all(pending=True)] == [1]
        kit.clock.move(6)
        await receiver.wait_for(2)
        await asyncio.sleep(0.03)
        assert not kit.hooks.all(pending=True)
    assert receiver.got[1][1] == b'{"n":2}'


def news(kit: Kit, *events: str, apart_s: float = 0.05) -> list[News]:
    """One thing's events, one after the other."""
    now = kit.clock.now()
    return [
        News(f"msg_{event}", event, event, now + timedelta(seconds=apart_s * place), "mail")
        for place, event in enumerate(events)
    ]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "hook_duplicate", "latency_s": 0.2, "event": "sent"}, ["sent", "done", "sent"]),
        ({"kind": "hook_reorder", "times": 1}, ["done", "sent"]),
        ({"kind": "hook_delay", "latency_s": 0.3, "event": "sent"}, ["done", "sent"]),
        ({"kind": "hook_drop", "event": "sent"}, ["done"]),
        ({"kind": "hook_duplicate", "account": "somebody else"}, ["sent", "done"]),
    ],
)
async def test_webhooks_meet_their_faults(
    tmp_path: Path, receiver: Receiver, fault: dict[str, Any], told: list[str]
) -> None:
    """A webhook is repeated with its id, told out of order, late, or not at all, as asked."""
    async with kit_at(tmp_path) as kit:
        account = kit.accounts.put("email", "resend", "key", webhook_url=receiver.url)
        kit.faults.add(room="email", provider="resend", **fault)
        kit.hooks.tell(account, news(kit, "sent", "done"))
        await receiver.wait_for(len(told))
        assert [body.decode() for _headers, body in receiver.got] == told
        ids = {headers["hook-id"] for headers, _body in receiver.got}
        assert ids == {f"msg_{event}" for event in told}
        await asyncio.sleep(0.05)
        assert kit.hooks.pending == 0
        assert len(kit.hooks.of("mail")) == max(2, len(told))


async def test_a_webhook_is_badly_signed_until_healed(tmp_path: Path, receiver: Receiver) -> None:
    """While the fault lasts every try carries a signature of other bytes; then it is right."""
    receiver.status = 401
    async with kit_at(tmp_path) as kit:
        account = kit.accounts.put("email", "resend", "key", webhook_url=receiver.url)
        kit.faults.add(room="email", provider="resend", kind="hook_bad_signature")
        kit.hooks.add("msg_1", account, "{}", kit.clock.now())
        await receiver.wait_for(1)
        kit.faults.heal()
        await asyncio.sleep(0.03)
        kit.clock.move(6)
        await receiver.wait_for(2)
    assert [headers["hook-size"] for headers, _body in receiver.got] == ["3", "2"]


async def test_a_withdrawn_webhook_is_never_sent(tmp_path: Path, receiver: Receiver) -> None:
    """What is still ahead of a thing is taken back; what has happened was told."""
    async with kit_at(tmp_path) as kit:
        account = kit.accounts.put("email", "resend", "key", webhook_url=receiver.url)
        kit.hooks.tell(account, news(kit, "scheduled", "sent", apart_s=60))
        await receiver.wait_for(1)
        kit.hooks.withdraw("mail")
        await asyncio.sleep(0.03)
        kit.clock.move(120)
        await asyncio.sleep(0.05)
        assert kit.hooks.pending == 0
    assert [body for _headers, body in receiver.got] == [b"scheduled"]


async def test_webhooks_stay_on_this_machine(tmp_path: Path) -> None:
    """An account whose webhooks would leave the machine is refused."""
    async with kit_at(tmp_path) as kit:
        for url in ("https://hooks.example.org/x", "http://10.0.0.7/x", "file:///etc/passwd"):
            with pytest.raises(Refused):
                kit.accounts.put("email", "resend", "key", webhook_url=url)
        assert kit.accounts.all() == []
