"""What a collector gets to see of a booked appointment: one tree, whole, once, nobody's name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from mentalspace.engine.trace import export
from mentalspace.engine.trace.standing import read_standing
from tests.conftest import MASTER_KEY
from tests.house import running_house, until

TRACE_ID, CALLER = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
PRIVATE = ("Testa", "Person", "testa", "demo.example", "Chicago", "t-spans")


@dataclass(slots=True)
class Collector:
    """Takes OTLP over HTTP as a collector does, and keeps what it took; or is away."""

    away: bool = True
    turned_away: int = 0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.away:
            self.turned_away += 1
            return web.Response(status=503)
        assert request.content_type == "application/x-protobuf"
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    @property
    def spans(self) -> list[trace_pb2.Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of(self, trace_id: str) -> dict[str, list[trace_pb2.Span]]:
        """A trace's spans by name, the first to begin first."""
        found: dict[str, list[trace_pb2.Span]] = {}
        for span in sorted(self.spans, key=lambda span: span.start_time_unix_nano):
            if span.trace_id.hex() == trace_id:
                found.setdefault(span.name, []).append(span)
        return found


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    application = web.Application()
    application.add_routes([web.post("/v1/traces", collector.take)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


async def test_a_booking_is_one_tree_whole_and_once(
    admin_url: str,
    admin: asyncpg.Connection[Any],
    tmp_path: Path,
    logs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller's span, the request, the queue, both tries and the webhook hang on each other in
    one trace. Nothing is lost while the collector is away, and nothing is sent twice; it is told of
    once. What goes again after a death is the same to the letter."""
    monkeypatch.setattr(export, "EXPORT_EVERY_S", 0.2)
    async with (
        collecting() as collector,
        running_house(
            admin_url,
            MASTER_KEY,
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
        ) as house,
    ):
        await until(lambda: admin.fetchval("select read_id is not null from trace_state"))
        before = await admin.fetchval("select read_id from trace_state")
        fault = {"room": "email", "provider": "resend", "kind": "status", "http": 503, "times": 1}
        await house.sandbox("POST", "/faults", fault)
        request_id = await house.ask_to_book(f"00-{TRACE_ID}-{CALLER}-01", "t-spans")
        await until(lambda: admin.fetchval("select true from delivery where attempts = 1"))
        await house.advance(timedelta(minutes=1))
        await until(lambda: admin.fetchval("select true from delivery where status = 'delivered'"))
        await until(lambda: _true(collector.turned_away >= 2))
        async with house.services.database.as_oncall() as connection:
            standing = await read_standing(connection)
        assert "1 minute (http_503); nothing is lost" in standing
        collector.away = False
        await until(lambda: _true(_whole(collector)))
        await until(lambda: admin.fetchval("select count(*) = 0 from trace_request"))
        _assert_tree(collector, request_id, await admin.fetchrow("select * from delivery"))
        once = {span.span_id: span.SerializeToString() for span in collector.spans}
        assert len(once) == len(collector.spans), "a span was sent twice"
        assert {headers["x-key"] for headers in collector.headers} == {"a b"}
        for body in collector.bodies:
            assert not [word for word in PRIVATE if word.encode() in body]
        lines = _lines(logs)
        assert [
            line["event"]
            for line in lines
            if line["event"] in ("traces_not_taken", "traces_taken_again")
        ] == ["traces_not_taken", "traces_taken_again"]
        async with house.services.database.as_oncall() as connection:
            assert await read_standing(connection) == "ok"
        collector.bodies.clear()
        await admin.execute("update trace_state set read_id = $1", before)
        await until(lambda: _true(len(collector.spans) >= len(once) - _requests(once)))
        again = {span.span_id: span.SerializeToString() for span in collector.spans}
        assert again.items() <= once.items()
        assert len(again) == len(once) - _requests(once)


def _assert_tree(collector: Collector, request_id: str, delivery: Any) -> None:
    spans = collector.of(TRACE_ID)
    [request], [queue] = spans["POST /v1/appointments"], spans["queue email"]
    failed, sent = spans["send email"]
    news = spans["webhook email"]
    assert request.parent_span_id.hex() == CALLER
    assert queue.parent_span_id == request.span_id
    assert failed.parent_span_id == sent.parent_span_id == queue.span_id
    assert {each.parent_span_id for each in news} == {sent.span_id}
    kinds = [trace_pb2.Span.SpanKind.Name(each.kind) for each in (request, queue, sent, news[0])]
    assert kinds == [f"SPAN_KIND_{name}" for name in ("SERVER", "PRODUCER", "CLIENT", "CONSUMER")]
    for span in collector.spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    assert request.start_time_unix_nano <= queue.start_time_unix_nano
    assert queue.end_time_unix_nano <= failed.end_time_unix_nano <= sent.start_time_unix_nano
    asked = _said(request)
    assert asked["http.request.method"] == "POST"
    assert (asked["http.response.status_code"], asked["http.route"]) == (201, "/v1/appointments")
    assert asked["mentalspace.request_id"] == request_id
    assert _said(queue)["messaging.message.id"] == str(delivery["id"])
    assert _said(queue)["mentalspace.drill"] is False
    assert _said(failed)["error.type"] == _said(failed)["mentalspace.case"] == "email.unavailable"
    assert _said(failed)["http.response.status_code"] == 503
    assert failed.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert _said(sent)["http.request.resend_count"] == 1
    assert _said(sent)["mentalspace.provider.request_id"]
    assert sent.status.code == trace_pb2.Status.STATUS_CODE_UNSET
    assert {_said(each)["mentalspace.event"] for each in news} >= {"email.delivered"}
    # A provider knows nothing of our trace: the webhook's own request is linked.
    for each in news:
        [link] = each.links
        assert collector.of(link.trace_id.hex())["POST /v1/hooks/{room}/{endpoint}"]


def _lines(logs: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.read_text().splitlines()]


def _whole(collector: Collector) -> bool:
    """Whether it says that the mail arrived, and has the requests of the webhooks that told so."""
    news = collector.of(TRACE_ID).get("webhook email", [])
    linked = [link.trace_id.hex() for each in news for link in each.links]
    arrived = "email.delivered" in [_said(each)["mentalspace.event"] for each in news]
    return arrived and all(collector.of(trace_id) for trace_id in linked)


def _requests(spans: dict[bytes, bytes]) -> int:
    """How many are of requests, which leave once they are told of and are not built anew."""
    kinds = [trace_pb2.Span.FromString(body).kind for body in spans.values()]
    return kinds.count(trace_pb2.Span.SPAN_KIND_SERVER)


def _said(span: trace_pb2.Span) -> dict[str, object]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "")
        for each in span.attributes
    }


async def _true(seen: object) -> object:
    return seen
