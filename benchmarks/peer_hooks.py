"""The least that takes a webhook in: verified by the provider's own library, one row, committed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from svix.webhooks import Webhook


def app(database_url: str, secret: str) -> Starlette:
    webhook = Webhook(secret)

    @asynccontextmanager
    async def lifespan(running: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, max_size=10) as pool:
            await pool.execute(
                "create table if not exists public.peer_inbox (id text primary key, body bytea)"
            )
            running.state.pool = pool
            yield
            await pool.execute("drop table public.peer_inbox")

    async def take(request: Request) -> JSONResponse:
        raw = await request.body()
        webhook.verify(raw, dict(request.headers))
        await request.app.state.pool.execute(
            "insert into public.peer_inbox values ($1, $2) on conflict do nothing",
            request.headers["svix-id"],
            raw,
        )
        return JSONResponse({"received": True})

    return Starlette(routes=[Route("/", take, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    url, secret, port = sys.argv[1:]
    uvicorn.run(app(url, secret), host="127.0.0.1", port=int(port), log_level="warning")
