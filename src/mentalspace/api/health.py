"""Is it alive, and is it ready: for the supervisor, the load balancer, and `mentalspace status`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.api.fields import Out
from mentalspace.api.visit import services_of
from mentalspace.engine.alarm import read_alarm
from mentalspace.engine.db.shape import installed_shape
from mentalspace.engine.queue import QUEUE_ROLE, QUEUE_SCHEMA
from mentalspace.engine.services import Services

WITHIN_S = 3.0
FRESH_S = 5.0

routes = APIRouter(tags=["health"])


class Alive(Out):
    alive: bool


class Ready(Out):
    """`checks` say `ok`, or in a few words what is wrong. `alarm` says whether anybody can be
    paged: no reason to send requests elsewhere, and every reason to be looked at."""

    ready: bool
    checks: dict[str, str]
    alarm: str


@routes.get("/healthz", summary="This process answers", response_model=Alive)
async def healthz() -> Alive:
    """Asks nobody else: a database that is away is no reason to restart the API."""
    return Alive(alive=True)


@routes.get(
    "/readyz",
    summary="Everything it needs is there",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Something is missing; `checks` name it."}},
)
async def readyz(request: Request) -> Response:
    """Database, queue, migrations and the worker's heartbeat, each by name."""
    services = services_of(request)
    asked = (*_CHECKS.values(), _alarm)
    *results, alarm = await asyncio.gather(*(_run(check, services) for check in asked))
    checks = dict(zip(_CHECKS, results, strict=True))
    ready = all(result == "ok" for result in results)
    told = {"ready": ready, "checks": checks, "alarm": alarm}
    return JSONResponse(told, 200 if ready else 503)


async def _run(check: Callable[[Services], Awaitable[str]], services: Services) -> str:
    try:
        async with asyncio.timeout(WITHIN_S):
            return await check(services)
    except Exception as error:  # whatever it is, it is not ready, and says which part is not
        return f"failed: {type(error).__name__}"


async def _database(services: Services) -> str:
    async with services.database.as_door() as connection:
        await connection.fetchval("select 1")
    return "ok"


async def _queue(services: Services) -> str:
    path = f"{QUEUE_SCHEMA}, pg_catalog"
    async with services.database.acting(QUEUE_ROLE, {}, path) as connection:
        await connection.fetchval("select 1 from pgqueuer limit 1")
    return "ok"


async def _migrations(services: Services) -> str:
    async with services.database.as_door() as connection:
        installed = await installed_shape(connection)
    current = installed == services.shape
    return "ok" if current else "the tables are not this program's; run mentalspace migrate"


async def _worker(services: Services) -> str:
    async with services.database.as_door() as connection:
        age_s = await connection.fetchval(
            "select extract(epoch from clock_timestamp() - max(beat_at))::float8"
            " from heartbeat where kind = 'worker'"
        )
    if age_s is None:
        return "no worker has been heard of"
    return "ok" if age_s < FRESH_S else f"no heartbeat for {age_s:.0f} s"


async def _alarm(services: Services) -> str:
    async with services.database.as_door() as connection:
        return (await read_alarm(connection)).words


_CHECKS: dict[str, Callable[[Services], Awaitable[str]]] = {
    "database": _database,
    "queue": _queue,
    "migrations": _migrations,
    "worker": _worker,
}
