"""Requests that wrote something: kept for a second by the API, then written down to be told of."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mentalspace.engine.db import Database
from mentalspace.engine.trace.span import Kind, Span, attributes, span_id_of
from mentalspace.kernel.ids import trace_id_of

FLUSH_EVERY_S = 1.0
# As many wait at most, while the database is away.
_MOST = 10_000

_INSERT = """
insert into trace_request
  (traceparent, parent_id, request_id, method, route, http, began_at, took_ms)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[],
                     $7::timestamptz[], $8::float8[])
"""


@dataclass(frozen=True, slots=True)
class Request:
    """`route` is the pattern, never what was asked for; `parent_id` the caller's own span, if it
    named one; `http` is None if nobody was there to be answered."""

    traceparent: str
    parent_id: str | None
    request_id: str
    method: str
    route: str
    http: int | None
    began_at: datetime
    took_ms: float


@dataclass(frozen=True, slots=True)
class RequestLog:
    """What one process of the API has yet to write down. If it is killed in that second, the
    request's span is missing and all that the request caused is still told of."""

    waiting: deque[Request] = field(default_factory=lambda: deque(maxlen=_MOST))

    def note(self, request: Request) -> None:
        self.waiting.append(request)

    async def flush(self, database: Database) -> int:
        """Write down what waits; how many. They wait on if the database does not take them."""
        told = [self.waiting.popleft() for _ in range(len(self.waiting))]
        if not told:
            return 0
        columns = zip(*map(_columns, told), strict=True)
        try:
            async with database.as_door() as connection:
                await connection.execute(_INSERT, *map(list, columns))
        except BaseException:
            self.waiting.extendleft(reversed(told))
            raise
        return len(told)


def span_of_request(row: Any) -> Span:
    http = row["http"]
    failed = http is None or http >= 500
    error = "cancelled" if http is None else str(http)
    began_at, ended_at = row["began_at"], row["ended_at"]
    return Span(
        trace_id=trace_id_of(row["traceparent"]),
        span_id=span_id_of(row["traceparent"]),
        parent_id=row["parent_id"],
        name=f"{row['method']} {row['route']}",
        kind=Kind.SERVER,
        began_at=began_at,
        ended_at=max(began_at, ended_at),
        attributes=attributes(
            {
                "http.request.method": "_OTHER" if row["method"] == "other" else row["method"],
                "http.route": row["route"],
                "http.response.status_code": http,
                "mentalspace.request_id": row["request_id"],
                "error.type": error if failed else None,
            }
        ),
        failed=failed,
    )


def _columns(request: Request) -> tuple[object, ...]:
    return (
        request.traceparent,
        request.parent_id,
        request.request_id,
        request.method,
        request.route,
        request.http,
        request.began_at,
        request.took_ms,
    )
