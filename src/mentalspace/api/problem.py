"""Whatever goes wrong is told as RFC 9457 problem details, and quotes nothing that was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from mentalspace.engine.log import get_logger
from mentalspace.kernel.errors import MentalSpaceError

MEDIA_TYPE = "application/problem+json"
TOO_LARGE = "send less at once, or ask for a larger limit"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent. `pointer` names the place, never what stood there."""

    pointer: str
    code: str
    text: str
    cure: str | None = None


class Problem(MentalSpaceError):
    """An answer that is not what was asked for. `code` is stable, `text` is for a person."""

    def __init__(
        self,
        http: int,
        code: str,
        text: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.http = http
        self.code = code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def not_found() -> Problem:
    """The same for what does not exist and for what is another practice's."""
    return Problem(404, "not_found", "there is no such thing here")


def render(problem: Problem, request_id: str) -> Response:
    """`type` is about:blank: the code says which problem, the title what its status means."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.http).phrase,
        "status": problem.http,
        "code": problem.code,
        "detail": str(problem),
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [
            {key: value for key, value in asdict(fault).items() if value is not None}
            for fault in problem.errors
        ]
    return JSONResponse(body, problem.http, problem.headers, MEDIA_TYPE)


def page(problem: Problem, request_id: str) -> Response:
    """The same for a person whose browser asked: no JSON to decipher, and a way on."""
    title = HTTPStatus(problem.http).phrase
    text = str(problem)
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · MentalSpace</title></head><body><main><h1>{title}</h1>"
        f"<p>{escape(text[:1].upper() + text[1:])}.</p>"
        f'<p><a href="/">Back to the start</a></p><p><small>Request {request_id}</small></p>'
        "</main></body></html>"
    )
    return HTMLResponse(body, problem.http, problem.headers)


def answer(problem: Problem, scope: Scope, request_id: str) -> Response:
    """As the asker reads: a browser gets a page, except from the API itself."""
    wanted = Headers(scope=scope).get("accept", "")
    by_browser = "text/html" in wanted and not scope["path"].startswith("/v1/")
    return (page if by_browser else render)(problem, request_id)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def install(app: FastAPI) -> None:
    for kind, translate in (
        (Problem, lambda _request, error: error),
        (HTTPException, lambda _request, error: _of_status(error)),
        (RequestValidationError, _of_validation),
        (asyncpg.PostgresError, lambda _request, error: _of_database(error)),
        (asyncpg.InterfaceError, lambda _request, error: _of_database(error)),
        (OSError, lambda _request, error: _of_database(error)),
    ):
        app.add_exception_handler(kind, _handler(translate))


def _handler(translate: Any) -> Any:
    async def handle(request: Request, error: Exception) -> Response:
        return answer(translate(request, error), request.scope, request_id_of(request))

    return handle


_STATUS = {
    400: ("request_unreadable", "the request cannot be read"),
    401: ("not_signed_in", "sign in, or send a token"),
    403: ("not_allowed", "you may not do this"),
    404: ("not_found", "there is no such thing here"),
    405: ("method_not_allowed", "this address does not take that method"),
    413: ("body_too_large", f"the body is too large: {TOO_LARGE}"),
}


def _of_status(error: HTTPException) -> Problem:
    code, text = _STATUS.get(error.status_code, ("refused", "the request was refused"))
    return Problem(error.status_code, code, text, headers=error.headers)


_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
)


def _of_database(error: Exception) -> Problem:
    log.warning("database_refused", error=type(error).__name__)
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return Problem(409, "conflict", "this contradicts what is there already")
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Problem(403, "not_allowed", "you may not do this")
    # The driver's own refusal of a value is an InterfaceError and a ValueError in one.
    if isinstance(error, asyncpg.DataError | ValueError):
        return Problem(422, "value_not_kept", "a value cannot be kept as it was sent")
    if isinstance(error, _AWAY):
        text = "the database is away; try again in a moment"
        return Problem(503, "database_away", text, headers={"retry-after": "2"})
    raise error


_JSON = "a JSON body with the content type application/json"
# (what is wrong, how to cure it) for pydantic's own kinds; ours bring their words along.
_WORDS = {
    "missing":              ("it is missing", "add it"),
    "extra_forbidden":      ("the request has a field that is not known here", "leave it out"),
    "json_invalid":         ("the body is not JSON", "send valid JSON"),
    "model_attributes_type": ("it is not an object", "send a JSON object"),
    "string_type":          ("it is not text", "send a string"),
    "string_unicode":       ("it is not well-formed text", "send valid Unicode"),
    "string_too_short":     ("it is too short", None),
    "string_too_long":      ("it is too long", None),
    "int_type":             ("it is not a whole number", "send a number without quotes"),
    "int_parsing":          ("it is not a whole number", "write digits only"),
    "int_from_float":       ("it is not a whole number", "leave the fraction out"),
    "bool_parsing":         ("it is neither true nor false", "write true or false"),
    "uuid_parsing":         ("it is not an id", "send a UUID as this API gave it"),
    "uuid_type":            ("it is not an id", "send a UUID as this API gave it"),
}  # fmt: skip


def _of_validation(request: Request, error: RequestValidationError) -> Problem:
    faults = tuple(_fault(found) for found in error.errors())
    if any(fault.code == "json_invalid" for fault in faults):
        return Problem(400, "json_unreadable", "the body is not JSON", errors=faults)
    if faults[0].pointer == "/body" and not _is_json(request):
        return Problem(415, "content_type_unsupported", f"send {_JSON}")
    text = "something in the request is not right; see errors"
    return Problem(422, "request_invalid", text, errors=faults)


def _fault(found: Mapping[str, Any]) -> Fault:
    kind, context = found["type"], found.get("ctx", {})
    place = list(found["loc"])
    if kind == "extra_forbidden":
        place.pop()  # the name of an unknown field is the sender's, and may say anything
    if kind == "json_invalid":
        place = ["body"]
    pointer = "/" + "/".join(str(step) for step in place)
    if "text" in context:
        return Fault(pointer, kind, context["text"], context.get("cure"))
    if kind == "literal_error":
        return Fault(pointer, kind, "it is none of the words known here", context["expected"])
    if limits := {name: context[name] for name in ("ge", "le", "gt", "lt") if name in context}:
        text = " and ".join(f"{_LIMIT[name]} {limit}" for name, limit in limits.items())
        return Fault(pointer, kind, "it is out of range", f"give {text}")
    text, cure = _WORDS.get(kind, ("it is not valid", None))
    return Fault(pointer, kind, text, cure)


_LIMIT = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
