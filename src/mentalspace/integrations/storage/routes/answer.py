"""Everything the surface answers when it does not do what was asked, in Supabase's shape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from mentalspace.engine.db.pool import CONNECTION_LOST
from mentalspace.engine.log import get_logger
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.notice import fields_of
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    DATABASE_AWAY,
    DATABASE_SLOW,
    NOT_STORED,
    PLAIN,
    Refused,
)
from mentalspace.integrations.storage.store.transfers import Fault

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Teller: TypeAlias = Callable[[Request, Refused], Response]

# A client that still writes its body does not read our answer, and hears of a broken connection
# instead. So much of a body that is refused is taken in, for so long, and thrown away.
_MOST_DRAINED = 128 * 2**20
_MOST_DRAINED_OF_STRANGERS = 2**20
_DRAIN_S = 15.0

log = get_logger(__name__)


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def notice_in(request: Request, label: str | None) -> dict[str, str]:
    """What an answer in JSON says besides, of a file that is labelled."""
    return fields_of(label, services_of(request).settings.site_url)


def served(handle: Handler, tell: Teller) -> Handler:
    """The handler as a route: what it raises becomes an answer, by `tell`, that quotes nothing
    private."""

    async def answered(request: Request) -> Response:
        try:
            return await handle(request)
        except ClientDisconnect:
            raise
        except Refused as error:
            await drain(request)
            return tell(request, error)
        except HTTPException:
            return tell(request, Refused(BAD_REQUEST))
        except (TimeoutError, asyncpg.QueryCanceledError):
            return tell(request, Refused(DATABASE_SLOW))
        except (
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.OperatorInterventionError,
            asyncpg.InsufficientResourcesError,
        ):
            return tell(request, Refused(DATABASE_AWAY))
        except CONNECTION_LOST as error:  # an OSError: the database's, or the disk's
            log.error("storage_failed", error=type(error).__name__)
            return tell(request, Refused(NOT_STORED))

    return answered


def refusal(request: Request, error: Refused) -> Response:
    """Status 400 whatever it is, as Supabase does it, or the true one where the setting says so."""
    kind = error.refusal
    if services_of(request).settings.storage_true_status:
        status = said = kind.true
    else:
        said, status = kind.said, kind.said if kind.said in PLAIN else 400
    body = {
        "statusCode": str(said),
        "error": kind.error,
        "message": str(error),
        "code": kind.code,
    }
    return JSONResponse(body, status)


def code_of(error: Exception) -> tuple[str, Fault]:
    """What is counted of a file that was not carried: the code it is answered with, and whose
    doing it is."""
    match error:
        case ClientDisconnect():
            return "cut", "line"
        case Refused():
            return error.refusal.code, "ours" if error.refusal.said >= 500 else "asker"
        case HTTPException():
            return BAD_REQUEST.code, "asker"
        case TimeoutError() | asyncpg.QueryCanceledError():
            return DATABASE_SLOW.code, "ours"
        case _:
            return NOT_STORED.code, "ours"


async def drain(request: Request) -> None:
    """Throw the rest of the body away, if that lets the client read what it is told."""
    if "expect" in request.headers or request.method in ("GET", "HEAD"):
        return
    if request._stream_consumed:  # all of it came: the next thing to come is a goodbye
        return
    known = getattr(request.state, "is_known", False)
    left = _MOST_DRAINED if known else _MOST_DRAINED_OF_STRANGERS
    try:
        async with asyncio.timeout(_DRAIN_S):
            # Straight from the server: what was read of the stream so far is gone already.
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
