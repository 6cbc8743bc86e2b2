"""Several lanes under one roof: fair between practices, patient with bulk, ruled by the runbook."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.kernel.integration import LaneClass
from mentalspace.kernel.phi import Phi
from tests.conftest import MASTER_KEY
from tests.house import House, running_house, until

FILE = Attachment("a.txt", "text/plain", "aGVsbG8=")
OVERLAY = """+++
id = "email.unavailable"
disposition = "refuse"
version = 100
+++
Here a mail that cannot leave at once is not wanted any more.
"""


async def write(house: House, practice_id: UUID, lane_class: LaneClass, count: int) -> list[UUID]:
    """So many mails in one transaction, each to somebody else and too big for a batch; their
    ids."""
    ids = []
    async with house.services.database.as_worker(practice_id) as connection:
        for number in range(count):
            to = f"p{number}@clients.example"
            mail = Mail(
                "noreply@mentalspace.app", "s@mentalspace.app", to, "Hello", "t", "h", "x", (FILE,)
            )
            new = NewDelivery(
                practice_id=practice_id,
                integration="email",
                lane_class=lane_class,
                kind="reminder",
                idempotency_key=f"email/test/{uuid4()}",
                payload=mail.to_bytes(),
                recipient=Phi(to),
            )
            delivery_id = await enqueue(connection, house.services.vault, new)
            assert delivery_id is not None
            ids.append(delivery_id)
    return ids


async def left(admin: asyncpg.Connection[Any], ids: list[UUID]) -> int:
    count: int = await admin.fetchval(
        "select count(*) from delivery where id = any($1) and accepted_at is not null", ids
    )
    return count


@pytest.mark.alone
async def test_nobody_waits_behind_a_backlog(house: House, admin: asyncpg.Connection[Any]) -> None:
    """With two hundred bulk mails of one practice waiting, an interactive mail of it and one of
    the other practice are accepted within three seconds."""
    other = await admin.fetchval("select id from practice where slug = 'mesa'")
    backlog = await write(house, house.practice_id, "bulk", 200)
    await until(lambda: left(admin, backlog))
    began = time.monotonic()
    quick = [
        *await write(house, house.practice_id, "interactive", 1),
        *await write(house, other, "interactive", 1),
        *await write(house, other, "bulk", 1),
    ]
    await until(lambda: _all_left(admin, quick), every_s=0.05)
    assert time.monotonic() - began < 3
    assert await left(admin, backlog) < 60, "the backlog was still there"


async def _all_left(admin: asyncpg.Connection[Any], ids: list[UUID]) -> bool:
    return await left(admin, ids) == len(ids)


async def test_an_overlay_changes_how_often_it_is_tried(admin_url: str, tmp_path: Path) -> None:
    """A deployment's overlay that turns a case from retry to refuse stops after one attempt."""
    folder = tmp_path / "overlay/email/resend/errors"
    folder.mkdir(parents=True)
    (folder / "unavailable.md").write_text(OVERLAY, encoding="utf-8")
    async with running_house(
        admin_url, MASTER_KEY, tmp_path, MENTALSPACE_RUNBOOKS=str(tmp_path / "overlay")
    ) as house:
        fault = {"room": "email", "provider": "resend", "kind": "status", "http": 503, "times": 2}
        await house.sandbox("POST", "/faults", fault)
        await house.book()
        [delivery] = await until(lambda: _refused(house))
        assert delivery["attempts"] == 1
        assert delivery["last_case"] == "email.unavailable"
        async with house.services.database.as_oncall() as connection:
            attempt = await connection.fetchrow("select case_version, disposition from attempt")
        assert attempt is not None
        assert tuple(attempt) == (100, "refuse")


async def _refused(house: House) -> list[dict[str, Any]]:
    return [d for d in await house.deliveries() if d["status"] == "refused"]


async def test_a_journey_leaves_no_name_in_the_logs(house: House, logs: Path) -> None:
    """After mails that arrive, bounce, are refused and get lost, the logs hold no address, name,
    subject or body, and do hold lines about them."""
    before = len(_text(logs))
    fault = {"room": "email", "provider": "resend", "times": 1}
    secret = ("quackenbush@clients.example", "bounced@resend.dev", "not-an-address")
    await house.sandbox("POST", "/faults", {**fault, "kind": "status", "http": 422})
    await house.book(secret[0], external_id="a-1")
    await until(lambda: _count(house, 1))
    await house.sandbox("POST", "/faults", {**fault, "kind": "reset", "when": "after"})
    for number, address in enumerate(secret):
        await house.book(address, external_id=f"b-{number}")
    await until(lambda: _count(house, 4))
    text = _text(logs)[before:]
    assert "attempt_failed" in text
    for private in (*secret, "quackenbush", "bounced@", "Testa", "Person", "Lakeside",
                    "Your appointment", "booked", "America/Chicago"):  # fmt: skip
        assert private not in text


def _text(logs: Path) -> str:
    return logs.read_text(encoding="utf-8")


async def _count(house: House, count: int) -> bool:
    ended = [
        d for d in await house.deliveries()
        if d["status"] in ("delivered", "bounced", "refused", "held")
    ]  # fmt: skip
    return len(ended) == count
