"""A desk of incidents for tests: the bench with an evaluator, a pager, and a channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.apprise_channel import send_by_apprise
from mentalspace.engine.incidents import acknowledge
from mentalspace.engine.pager import Pager
from mentalspace.engine.runbook import (
    AlertKind,
    AlertRule,
    AlertState,
    RoomRunbook,
    Runbooks,
    load_runbooks,
)
from mentalspace.engine.watch.pace import Pace
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Severity
from tests.engine.toy import Bench, Reply

TARGETS = ("oncall", "cto", "assigned", "tickets", "drill")
MINUTE = timedelta(minutes=1)


def rule(name: str, severity: Severity, threshold: int = 1, **changes: Any) -> AlertRule:
    base = AlertRule(
        id=f"toy.{name}",
        title=name,
        kind=AlertKind.CASE,
        state=AlertState.LIVE,
        threshold=threshold,
        cases=(f"toy.{name}",),
        metric=None,
        op=None,
        severity=severity,
        action="look",
        resolves_after=2,
        drill=None,
        hold_s=0.0,
    )
    return replace(base, **changes)


RULES = (
    rule("bad_key", Severity.CRITICAL, keys=("toy.bad_key",)),
    rule("ours", Severity.HIGH),
    rule("in_a_row", Severity.HIGH, 5, kind=AlertKind.CONSECUTIVE, cases=()),
    rule("not_yet", Severity.CRITICAL, cases=("toy.ours",), state=AlertState.DECLARED),
)


def runbooks() -> Runbooks:
    """The project's own escalation matrix over a toy room's rules."""
    real = load_runbooks(list(discover_rooms().values()), None)
    overview = replace(real.rooms[0].overview, alerts=RULES)
    return Runbooks((RoomRunbook("toy", overview, (), (), ()),), real.escalation)


@dataclass(slots=True)
class Desk:
    """The bench with an evaluator, a pager, and a channel that may be broken."""

    bench: Bench
    evaluator: Evaluator
    pager: Pager
    channel_url: str
    pages: list[tuple[str, str]] = field(default_factory=list)
    broken: bool = False
    refusing: set[str] = field(default_factory=set)  # by the last word of their address
    slow_s: float = 0.0

    async def page(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow_s)
        if self.broken or request.match_info["target"] in self.refusing:
            return web.Response(status=500)
        body = await request.json()
        self.pages.append((request.match_info["target"], f"{body['title']}\n{body['message']}"))
        return web.Response()

    def targets(self) -> list[str]:
        return sorted(target for target, _text in self.pages)

    async def fail(self, http: int, count: int = 1, to: str | None = None) -> None:
        """So many deliveries, each to another person, meet this answer."""
        self.bench.server.script.extend([Reply(http=http)] * count)
        for number in range(count):
            await self.bench.deliver(to=to or f"p{number}@clients.example")
        await self.bench.turn()

    async def succeed(self, count: int) -> None:
        for _ in range(count):
            await self.bench.deliver()
        await self.bench.turn()

    async def tick(self, after: timedelta | None = None) -> None:
        """The evaluator's and the pager's turn, the clock moved before."""
        if after is not None:
            await self.bench.advance(after)
        await self.evaluator.tick()
        await self.pager.tick()

    async def incident(self) -> dict[str, Any]:
        [row] = await self.bench.admin.fetch("select * from incident")
        return dict(row)

    async def told(self, incident_id: UUID) -> list[str]:
        rows = await self.bench.admin.fetch(
            "select kind from timeline where incident_id = $1 order by id", incident_id
        )
        return [row["kind"] for row in rows]

    async def acknowledge(self) -> bool:
        incident = await self.incident()
        async with self.bench.database.as_oncall() as connection:
            return await acknowledge(connection, incident["id"], "noor")


@asynccontextmanager
async def open_desk(bench: Bench) -> AsyncIterator[Desk]:
    async with _channel() as (application, url):
        books = runbooks()
        urls = {t: (f"json://{url.removeprefix('http://')}/{t}",) for t in TARGETS}
        desk = Desk(
            bench,
            Evaluator(bench.database, books, Pace(soonest_s=0.0)),
            Pager(
                bench.database,
                bench.vault,
                books,
                urls,
                "https://clinic.example",
                {"apprise": send_by_apprise},
            ),
            url,
        )
        application["desk"].append(desk)
        yield desk


@asynccontextmanager
async def _channel() -> AsyncIterator[tuple[dict[str, list[Desk]], str]]:
    desks: list[Desk] = []

    async def page(request: web.Request) -> web.Response:
        return await desks[0].page(request)

    application = web.Application()
    application.add_routes([web.post("/{target}", page)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield {"desk": desks}, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
