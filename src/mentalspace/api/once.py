"""Idempotency keys: the same request sent twice is done once and answered twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Header
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.problem import Problem
from mentalspace.api.visit import Visit

PURPOSE = "api_request"

# A claim that nobody completed belongs to a process that died: two minutes later it is free.
# After a day a key is forgotten.
_CLAIM = """
insert into api_request (practice_id, key, request_hash) values ($1, $2, $3)
on conflict (practice_id, key) do update
  set request_hash = excluded.request_hash, http = null, body = null, created_at = app.now()
  where api_request.created_at < app.now() - interval '24 hours'
     or api_request.http is null and api_request.created_at < app.now() - interval '2 minutes'
returning true
"""
_FORGET = "delete from api_request where created_at < app.now() - interval '24 hours' and key <> $1"


def _visible(key: str) -> str:
    if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= 255:
        raise PydanticCustomError(
            "key_unusable",
            "{text}",
            {"text": "it is no usable key", "cure": "send 1 to 255 visible ASCII characters"},
        )
    return key


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again within a day with the same request, the first answer comes back.",
    ),
    AfterValidator(lambda key: None if key is None else _visible(key)),
]


async def once(
    visit: Visit,
    request: Request,
    key: str | None,
    material: bytes,
    work: Callable[[], Awaitable[Response]],
) -> Response:
    """Do `work`, or repeat the answer it gave before under the same key.

    `material` is what the request consists of; the same key with other material is a mistake
    of the sender's. Work that raises leaves the key free.
    """
    if key is None:
        return await work()
    request_hash = _fingerprint(visit, request, material)
    known = await _claim(visit, key, request_hash)
    if known is not None:
        return known
    try:
        response = await work()
    except BaseException:
        await _release(visit, key)
        raise
    await _complete(visit, key, response)
    return response


def _fingerprint(visit: Visit, request: Request, material: bytes) -> str:
    head = f"{visit.person.user_id}\n{request.method}\n{request.url.path}\n"
    return hashlib.sha256(head.encode() + material).hexdigest()


async def _claim(visit: Visit, key: str, request_hash: str) -> Response | None:
    """None if the key is ours now; else what was answered under it."""
    async with visit.reading() as connection:
        await connection.execute(_FORGET, key)
        if await connection.fetchval(_CLAIM, visit.practice_id, key, request_hash):
            return None
        row = await connection.fetchrow(
            "select request_hash, http, body from api_request where key = $1", key
        )
    if row is not None and row["request_hash"] != request_hash:
        raise Problem(
            422, "idempotency_key_reused", "this key was used for another request; make a new one"
        )
    if row is None or row["http"] is None:
        text = "the first request with this key is still being worked on; ask again in a moment"
        headers = {"retry-after": "1"}
        raise Problem(409, "idempotency_key_in_use", text, headers=headers)
    body = visit.services.vault.open(visit.practice_id, PURPOSE, row["body"])
    return Response(
        body, row["http"], {"idempotency-replayed": "true"}, media_type="application/json"
    )


async def _complete(visit: Visit, key: str, response: Response) -> None:
    sealed = visit.services.vault.seal(visit.practice_id, PURPOSE, bytes(response.body))
    async with visit.reading() as connection:
        await connection.execute(
            "update api_request set http = $2, body = $3 where key = $1 and http is null",
            key,
            response.status_code,
            sealed,
        )


async def _release(visit: Visit, key: str) -> None:
    async with visit.reading() as connection:
        await connection.execute("delete from api_request where key = $1 and http is null", key)
