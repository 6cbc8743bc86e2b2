"""The API's own description: OpenAPI for programs, and a plain page of it for people."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mentalspace.api.problem import MEDIA_TYPE

routes = APIRouter()

_ABOUT = """The integration layer's API. Send `Authorization: Bearer` with a token, or the
console's session cookie with its `X-CSRF-Token`. Lists come a page at a time: send `next` back as
`cursor`. POSTs that create something take an `Idempotency-Key`. Everything that goes wrong is
told as RFC 9457 problem details with a stable `code`."""

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details. Quotes nothing that was sent.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {**_TEXT, "description": "Stable; programs decide by it."},
        "detail": {**_TEXT, "description": "For a person."},
        "request_id": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "text"],
                "properties": {"pointer": _TEXT, "code": _TEXT, "text": _TEXT, "cure": _TEXT},
            },
        },
    },
}
# What any request may meet, beside what a route declares itself.
_EVERYWHERE = {
    "400": "The request cannot be read.",
    "422": "Something in the request is not right.",
    "500": "It failed on our side.",
    "503": "The database is away.",
}
_SIGNED_IN = {"401": "Not signed in.", "403": "Not allowed, or the CSRF token is missing."}
_WITH_BODY = {"413": "More than the route takes.", "415": "The body is not of a type it takes."}
_DEFAULT = {"404": "There is no such thing here."}
# Where an answer names the thing that another route is about.
_LISTED, _MADE = "$response.body#/items/0/id", "$response.body#/id"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with every error answer declared."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="MentalSpace", version=app.version, description=_ABOUT, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for path, operations in document["paths"].items():
            if path.startswith("/v1/"):
                for operation in operations.values():
                    _declare_errors(operation)
                _link(document["paths"], path)
        app.openapi_schema = document
    return app.openapi_schema


def _declare_errors(operation: dict[str, Any]) -> None:
    declared = operation["responses"]
    declared.pop("422", None)
    words = {
        **_EVERYWHERE,
        **(_SIGNED_IN if operation.get("security") else {}),
        **(_WITH_BODY if "requestBody" in operation else {}),
    }
    for http, text in words.items():
        declared.setdefault(http, {"description": text})
    for http, answer in declared.items():
        if http >= "400":
            if not answer.get("description") or http in _DEFAULT:
                answer["description"] = _DEFAULT.get(http, answer.get("description"))
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _link(paths: dict[str, Any], path: str) -> None:
    """Say where a list's rows, and what was just made, can be looked at and acted on."""
    about = [found for found in paths if found.startswith(f"{path}/{{") and "}" in found]
    for method, http, where in (("get", "200", _LISTED), ("post", "201", _MADE)):
        answer = paths[path].get(method, {}).get("responses", {}).get(http)
        if answer is None or not about:
            continue
        answer["links"] = {
            operation["operationId"]: {
                "operationId": operation["operationId"],
                "parameters": {found.split("{")[1].split("}")[0]: where},
            }
            for found in about
            for operation in paths[found].values()
        }


@routes.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Readable without scripts, and without anybody else's server."""
    return HTMLResponse(_page(describe(request.app)))


def _page(document: dict[str, Any]) -> str:
    parts = [
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>{_operation(operation)}"
        "</section>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>MentalSpace API</title></head>'
        f"<body><main><h1>MentalSpace API</h1><p>{escape(_ABOUT)}</p>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a></p>'
        f"{''.join(parts)}</main></body></html>"
    )


def _operation(operation: dict[str, Any]) -> str:
    text = f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}"
    given = ", ".join(
        f"<code>{escape(parameter['name'])}</code> ({escape(parameter['in'])})"
        for parameter in operation.get("parameters", ())
    )
    bodies = ", ".join(operation.get("requestBody", {}).get("content", ()))
    answers = "".join(
        f"<li><code>{http}</code> {escape(answer['description'])}</li>"
        for http, answer in sorted(operation["responses"].items())
    )
    takes = "".join(
        f"<p>{label}: {value}</p>" for label, value in (("Takes", given), ("Body", bodies)) if value
    )
    return f"{text}</p>{takes}<ul>{answers}</ul>"
