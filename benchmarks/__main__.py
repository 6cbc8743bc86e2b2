"""`mentalspace bench`: how much of a bare client's speed the whole path keeps."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from mentalspace.engine import postgres
from mentalspace.engine.db import connect_owner
from mentalspace.engine.db.migrate import ensure_database
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.log import configure_logs
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.resend.wire import email_body
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.demo import system_claims
from tests.house import House, running_house, stored_secrets

MASTER_KEY = b"b" * 32
UNLIMITED_PER_S = 100_000


async def drain(house: House, count: int) -> float:
    """Mails a second from the ledger through lane, adapter and sandbox to `accepted`."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential set rate_per_s = $1", UNLIMITED_PER_S)
    claims = system_claims(house.practice_id)
    async with house.services.database.as_user(claims) as connection:
        for number in range(count):
            await enqueue(connection, house.services.vault, _delivery(house, number))
    began = time.monotonic()
    while await _left(house):
        await asyncio.sleep(0.02)
    return count / (time.monotonic() - began)


async def bare(house: House, count: int, at_once: int = 10) -> float:
    """The same requests from a bare aiohttp loop, remembering nothing."""
    url = f"{house.services.settings.sandbox_url}/email/resend/emails"
    key = (await stored_secrets(house))["api_key"]
    turn = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession() as session:

        async def one(number: int) -> None:
            async with turn:
                headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"bare-{number}"}
                body = email_body(_mail(number))
                async with session.post(url, data=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()

        began = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(count)))
        return count / (time.monotonic() - began)


def _mail(number: int) -> Mail:
    return Mail(
        sender="noreply@mentalspace.app",
        reply_to="support@mentalspace.app",
        to=f"bench{number}@demo.example",
        subject="Reminder: your appointment on Tuesday",
        text="This is a reminder of your appointment.\n" * 10,
        html="<p>This is a reminder of your appointment.</p>" * 10,
        kind="reminder",
    )


def _delivery(house: House, number: int) -> NewDelivery:
    mail = _mail(number)
    return NewDelivery(
        practice_id=house.practice_id,
        integration="email",
        lane_class="bulk",
        kind=mail.kind,
        idempotency_key=f"bench/{secrets.token_hex(8)}",
        payload=mail.to_bytes(),
        recipient=Phi(mail.to),
        expires_at=house.services.clock.now() + timedelta(hours=1),
    )


async def _left(house: House) -> int:
    async with house.services.database.as_dispatcher() as connection:
        left: int = await connection.fetchval(
            "select count(*) from delivery where accepted_at is null"
        )
        return left


async def measure(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mentalspace-bench-") as folder:
        home = Path(folder)
        try:
            server = await asyncio.to_thread(postgres.ensure_running, home)
            url = await ensure_database(server.url, "bench")
            async with running_house(url, MASTER_KEY, home) as house:
                await _lift_limit(house)
                peer = await bare(house, count)
                ours = await drain(house, count)
        finally:
            postgres.destroy(home)
    print(f"mails a second, {count} mails, everything on this machine")
    print(f"  bare aiohttp loop         {peer:8.0f}")
    print(f"  ledger to accepted        {ours:8.0f}")
    print(f"  ratio                     {ours / peer:8.2f}")


async def _lift_limit(house: House) -> None:
    accounts: list[dict[str, Any]] = await house.sandbox("GET", "/accounts")
    for account in accounts:
        await house.sandbox(
            "PATCH", f"/accounts/email/resend/{account['id']}", {"rate_per_s": UNLIMITED_PER_S}
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="mentalspace bench", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mails to send (1000)")
    with tempfile.TemporaryFile("w") as logs:
        configure_logs("bench", logs)
        asyncio.run(measure(parser.parse_args().count))


if __name__ == "__main__":
    main()
