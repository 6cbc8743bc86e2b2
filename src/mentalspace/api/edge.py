"""The outermost layer: limits, trace context, headers, one log line, and no stack trace."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mentalspace.api.http_meter import HttpMeter
from mentalspace.api.problem import TOO_LARGE, Problem, answer
from mentalspace.engine.correlation import Written, following, watching_what_is_written
from mentalspace.engine.log import get_logger
from mentalspace.engine.trace import RequestLog
from mentalspace.engine.trace.request import Request
from mentalspace.engine.trace.span import span_id_of
from mentalspace.kernel.clock import Clock
from mentalspace.kernel.ids import child_traceparent, new_traceparent

_MEBIBYTE = 2**20
LARGEST_BODY = _MEBIBYTE
LARGEST_FILE = 10 * _MEBIBYTE
# Addresses that take files; everything else, webhooks among them, is small.
_FILES = ("/v1/imports", "/imports")
# Asked every second or so by machines: their good answers are not worth a line.
_QUIET = frozenset({"/healthz", "/metrics", "/readyz"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# source: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none';"
        " form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_HSTS = "max-age=31536000; includeSubDomains"
_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
# Webhooks are signed, and may reach a demo through a tunnel of any name.
_SIGNED = "/v1/hooks/"

log = get_logger(__name__)


@dataclass(slots=True)
class _Answered:
    http: int | None = None


class Edge:
    """A page's own header wins over the ones set here.

    A demo, whose password is printed, answers only to its own names: another web site whose
    name was made to point at this machine would otherwise log in from a visitor's browser.

    `requests` is told of those that wrote something, where traces are kept. Bodies sent to what
    begins with one of `streams` are measured by whoever takes them in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_production: bool,
        site_url: str,
        meter: HttpMeter,
        clock: Clock,
        requests: RequestLog | None = None,
        streams: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._streams = streams
        self._meter = meter
        self._requests = requests
        self._clock = clock
        secure = {"strict-transport-security": _HSTS} if is_production else {}
        self._headers: Mapping[str, str] = {**_HEADERS, **secure}
        self._names = None if is_production else _LOCAL | {_host_name(urlsplit(site_url).netloc)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = _caller(Headers(scope=scope))
        request_id = uuid4().hex
        traceparent = child_traceparent(caller) if caller else new_traceparent()
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": request_id,
            "traceparent": traceparent,
        }
        with following(traceparent, request_id):
            await self._answer(scope, receive, send, request_id, traceparent, caller)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        traceparent: str,
        caller: str | None,
    ) -> None:
        began, headers = time.perf_counter(), Headers(scope=scope)
        answered, written = _Answered(), Written()
        guarded = self._guard(send, answered, request_id, traceparent)
        limit = self._limit(scope["path"])
        try:
            if not self._is_ours(headers, scope["path"]):
                await answer(_misdirected(), scope, request_id)(scope, receive, guarded)
            elif limit is not None and _announced(headers) > limit:
                await answer(_too_large(), scope, request_id)(scope, receive, guarded)
            else:
                with watching_what_is_written() as written:
                    await self._app(scope, _limited(receive, limit), guarded)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:
            log.error("request_failed", error=type(error).__name__)
            if answered.http is not None:
                raise
            await answer(_failed(), scope, request_id)(scope, receive, guarded)
        finally:
            took_s = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._meter.note(method, _template(scope), answered.http, took_s)
            if self._requests is not None and written.anything:
                self._requests.note(
                    Request(
                        traceparent=traceparent,
                        parent_id=span_id_of(caller) if caller else None,
                        request_id=request_id,
                        method=method,
                        route=_template(scope),
                        http=answered.http,
                        began_at=self._clock.now() - timedelta(seconds=took_s),
                        took_ms=took_s * 1000,
                    )
                )
            # A page that asks every two seconds whether anything changed is no news either.
            if answered.http != 304 and (scope["path"] not in _QUIET or answered.http != 200):
                log.info(
                    "request",
                    method=method,
                    path_template=_template(scope),
                    http=answered.http,
                    duration_ms=round(took_s * 1000, 1),
                )

    def _limit(self, path: str) -> int | None:
        if path.startswith(self._streams):
            return None
        return LARGEST_FILE if path in _FILES else LARGEST_BODY

    def _is_ours(self, headers: Headers, path: str) -> bool:
        if self._names is None or path.startswith(_SIGNED):
            return True
        host = headers.get("host")  # every browser sends one
        return host is None or _host_name(host) in self._names

    def _guard(self, send: Send, answered: _Answered, request_id: str, traceparent: str) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.http = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                headers["traceparent"] = traceparent
            await send(message)

        return guarded


def _limited(receive: Receive, limit: int | None) -> Receive:
    """Counts what really comes: a length may be missing, or a lie."""
    if limit is None:
        return receive
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413)
        return message

    return counted


def _host_name(netloc: str) -> str:
    """Without its port."""
    name, _, port = netloc.lower().rpartition(":")
    return name if name and port.isdigit() else netloc.lower()


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


def _caller(headers: Headers) -> str | None:
    """Whose work the request is part of, if it says so and can be read."""
    given = headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else None


def _template(scope: Scope) -> str:
    """The route's pattern. What a visitor typed is never logged."""
    if route := scope.get("route"):
        return str(route.path)
    if "endpoint" not in scope:
        return "unmatched"
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(str(value), f"{{{name}}}") if str(value) else path
    return path


def _too_large() -> Problem:
    text = f"the body is too large: {TOO_LARGE}"
    return Problem(413, "body_too_large", text, headers={"connection": "close"})


def _misdirected() -> Problem:
    text = "a demo answers to a local name or SITE_URL's; set SITE_URL to reach it by this one"
    return Problem(421, "host_unknown", text)


def _failed() -> Problem:
    text = "this failed on our side; give the request id to whoever runs MentalSpace"
    return Problem(500, "failed", text)
