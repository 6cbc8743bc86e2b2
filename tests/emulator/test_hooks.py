"""Webhooks: retried with the same id on the virtual clock, across a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from mentalspace.emulator.accounts import Account
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
        assert [hook.tries for hook in kit.hooks.all(pending=True)] == [1]
        kit.clock.move(6)
        await receiver.wait_for(2)
        await asyncio.sleep(0.03)
        assert not kit.hooks.all(pending=True)
    assert receiver.got[1][1] == b'{"n":2}'


async def test_webhooks_stay_on_this_machine(tmp_path: Path) -> None:
    """An account whose webhooks would leave the machine is refused."""
    async with kit_at(tmp_path) as kit:
        for url in ("https://hooks.example.org/x", "http://10.0.0.7/x", "file:///etc/passwd"):
            with pytest.raises(Refused):
                kit.accounts.put("email", "resend", "key", webhook_url=url)
        assert kit.accounts.all() == []
