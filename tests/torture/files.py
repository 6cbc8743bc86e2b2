"""`python -m tests.torture.files`: kill -9 while documents land; exits with 1 if one is lost.

What was acknowledged must be there, whole; what was not may be there, whole, or not at all; and
after a sweep nothing lies on the disk that no row names.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, cast

import aiohttp

from mentalspace.engine.db import connect_owner
from mentalspace.engine.log import configure_logs
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.disk.shelf import DiskShelf
from mentalspace.integrations.storage.disk.sweep import sweep
from mentalspace.practice.token import mint_token
from tests.torture.installation import Installation, installed, kill
from tests.torture.strike import within

VICTIMS = (("api",), ("postgres",), ("api", "postgres"), ("worker",))
BUCKET = "tortured"
LARGEST = 4_000_000
AT_ONCE = 4
READY_WITHIN_S = 120.0
# Of ten uploads so many replace one that was acknowledged.
REPLACED = 3

Say = Callable[[str], None]


@dataclass(slots=True)
class Sent:
    """By name: what was acknowledged last, and what has been sent since, whose answer is open."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    maybe: dict[str, set[str]] = field(default_factory=dict)
    uploads: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Verdict:
    uploads: int
    acknowledged: int
    unanswered: int
    lost: int
    corrupt: int
    orphans: int
    landings: int
    rows_without_bytes: int
    kills: Counter[str]

    @property
    def holds(self) -> bool:
        return not (
            self.lost + self.corrupt + self.orphans + self.landings + self.rows_without_bytes
        )

    @property
    def text(self) -> str:
        killed = ", ".join(f"{name} {times}" for name, times in self.kills.items())
        return (
            f"killed: {killed}; uploads: {self.uploads}, acknowledged: {self.acknowledged},"
            f" unanswered: {self.unanswered}; lost: {self.lost}, corrupt: {self.corrupt};"
            f" after a sweep bytes without a row: {self.orphans}, landings: {self.landings},"
            f" rows without bytes: {self.rows_without_bytes}"
        )


async def run(rounds: int, seed: int, say: Say) -> Verdict:
    random, kills, sent = Random(seed), Counter[str](), Sent()
    async with (
        installed() as installation,
        installation.app.open_services() as services,
        aiohttp.ClientSession() as http,
    ):
        headers = await _ready(services, installation, http)
        stop = asyncio.Event()
        load = [
            asyncio.create_task(_upload(number, installation, http, headers, sent, random, stop))
            for number in range(AT_ONCE)
        ]
        for number in range(rounds):
            victims = VICTIMS[number % len(VICTIMS)]
            marks = {name: await installation.victim(name) for name in victims}
            await asyncio.sleep(random.uniform(0.5, 3.0))
            for name, mark in marks.items():
                assert mark is not None, f"no living {name}"
                kill(mark)
                kills[name] += 1
            began = time.monotonic()
            assert await within(installation.ready, READY_WITHIN_S), f"{victims} stayed dead"
            say(f"{number + 1}: {' and '.join(victims)}, {time.monotonic() - began:.1f} s")
        stop.set()
        await asyncio.gather(*load)
        return await _judge(services, installation, http, headers, sent, kills)


async def _ready(
    services: Services, installation: Installation, http: aiohttp.ClientSession
) -> dict[str, str]:
    async with connect_owner(services.admin_url) as owner:
        row = await owner.fetchrow(
            "select user_id, practice_id from membership where role = 'administrator' limit 1"
        )
    token = mint_token(
        services.jwt_secret,
        user_id=row["user_id"],
        role="administrator",
        practice_id=row["practice_id"],
        client_id=None,
        lifetime=timedelta(hours=12),
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    url = f"{_base(installation)}/bucket"
    async with http.post(url, json={"name": BUCKET}, headers=_json(headers)) as answer:
        assert answer.status == 200, await answer.text()
    return headers


def _base(installation: Installation) -> str:
    return f"http://127.0.0.1:{installation.app.settings.port}/storage/v1"


def _json(headers: dict[str, str]) -> dict[str, str]:
    return {"Authorization": headers["Authorization"]}


# Load -------------------------------------------------------------------------------------------


async def _upload(
    number: int,
    installation: Installation,
    http: aiohttp.ClientSession,
    headers: dict[str, str],
    sent: Sent,
    random: Random,
    stop: asyncio.Event,
) -> None:
    """One after the other, new names and names that are there; of each, what is known of it."""
    mine: list[str] = []
    while not stop.is_set():
        again = bool(mine) and random.randrange(10) < REPLACED
        name = random.choice(mine) if again else f"{number}/{len(mine)}"
        if not again:
            mine.append(name)
        content = random.randbytes(random.randrange(1, LARGEST))
        digest = hashlib.sha256(content).hexdigest()
        sent.uploads += 1
        sent.maybe.setdefault(name, set()).add(digest)
        url = f"{_base(installation)}/object/{BUCKET}/{name}"
        try:
            whole = {**headers, "x-upsert": "true"}
            async with http.post(url, data=content, headers=whole) as answer:
                if answer.status == 200:
                    sent.acknowledged[name] = digest
                    sent.maybe[name] = {digest}
                else:
                    sent.refused[str(answer.status)] += 1
                    await asyncio.sleep(0.2)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            sent.refused[type(error).__name__] += 1
            await asyncio.sleep(0.2)


# Judgment ---------------------------------------------------------------------------------------


async def _judge(
    services: Services,
    installation: Installation,
    http: aiohttp.ClientSession,
    headers: dict[str, str],
    sent: Sent,
    kills: Counter[str],
) -> Verdict:
    there = await _all_there(services)
    lost = corrupt = 0
    for name in sorted({*sent.acknowledged, *there}):
        url = f"{_base(installation)}/object/{BUCKET}/{name}"
        async with http.get(url, headers=_json(headers)) as answer:
            if answer.status != 200:
                lost += 1
                continue
            content = await answer.read()
        if hashlib.sha256(content).hexdigest() not in sent.maybe[name]:
            corrupt += 1
    shelf = DiskShelf(services.settings.storage)
    swept = await sweep(services.database, shelf, grace_s=-1)
    rows = await _all_versions(services)
    on_disk = {one.version for practice in shelf.practices() for one in shelf.versions(practice)}
    return Verdict(
        uploads=sent.uploads,
        acknowledged=len(sent.acknowledged),
        unanswered=sent.refused.total(),
        lost=lost,
        corrupt=corrupt,
        orphans=len(on_disk - rows),
        landings=shelf.clear_drafts(time.time() + 60),
        rows_without_bytes=len(rows - on_disk) + swept.lost,
        kills=kills,
    )


async def _all_there(services: Services) -> set[str]:
    async with connect_owner(services.admin_url) as owner:
        rows = await owner.fetch("select name from storage.file where bucket_id = $1", BUCKET)
    return {row["name"] for row in rows}


async def _all_versions(services: Services) -> set[str]:
    """Of files, and those that were replaced and are kept."""
    named = "select version from storage.file union select version from storage.archived"
    async with connect_owner(services.admin_url) as owner:
        return {row["version"] for row in await owner.fetch(named)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="an earlier run's, to repeat it")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    _say(f"seed {seed}")
    with tempfile.TemporaryFile("w") as stream:
        configure_logs("torture", cast(Any, stream))
        verdict = asyncio.run(run(given.rounds, seed, _say))
    _say(verdict.text)
    return 0 if verdict.holds else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
