"""Where providers call us: the raw bytes go to the inbox, which verifies and keeps them."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Out
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import services_of
from mentalspace.engine.log import get_logger
from mentalspace.engine.reception import HTTP_OF, NoSuchEndpoint
from mentalspace.kernel.errors import WebhookRefused

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

log = get_logger(__name__)
routes = APIRouter(tags=["hooks"])


class Received(Out):
    """`duplicate`: it was here before, and counts once."""

    received: bool
    duplicate: bool


@routes.post(
    "/v1/hooks/{room}/{endpoint}",
    summary="A provider's webhook",
    response_model=Received,
    responses={
        400: {"description": "A header or the body cannot be read."},
        401: {"description": "The signature does not hold, or its time is off."},
        403: {"description": "Signed by the provider, for another of its accounts."},
        404: {"description": "No such endpoint."},
        413: {"description": "More than 1 MiB."},
    },
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {}, "application/x-www-form-urlencoded": {}},
        },
    },
)
async def receive(request: Request, room: str, endpoint: str) -> Received | Response:
    """Verified by the provider's own signature; answered once it is on disk."""
    if not _SLUG.fullmatch(room) or not _SLUG.fullmatch(endpoint):
        raise not_found()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        taken = await services_of(request).inbox.receive(
            room, endpoint, await request.body(), headers, request.url.query
        )
    except NoSuchEndpoint as error:
        raise not_found() from error
    except WebhookRefused as error:
        log.warning("webhook_refused", integration=room, endpoint=endpoint, code=error.code)
        raise Problem(HTTP_OF.get(error.code, 503), f"webhook_{error.code}", str(error)) from error
    if taken.answer is not None:
        return Response(taken.answer.body, media_type=taken.answer.content_type)
    return Received(received=True, duplicate=not taken.is_new)
