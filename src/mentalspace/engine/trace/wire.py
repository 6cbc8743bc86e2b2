"""Spans as OTLP, in OpenTelemetry's own messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from mentalspace.engine.trace.span import Span, Value

CONTENT_TYPE = "application/x-protobuf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode(spans: Sequence[Span], resource: Mapping[str, str]) -> bytes:
    """The body of one request to a collector."""
    body: bytes = ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(
                resource=Resource(attributes=_key_values(resource)),
                scope_spans=[
                    trace_pb2.ScopeSpans(
                        scope=InstrumentationScope(name="mentalspace.ledger"),
                        spans=[_message(span) for span in spans],
                    )
                ],
            )
        ]
    ).SerializeToString()
    return body


def rejected(answer: bytes) -> int:
    """How many spans a collector that took the request did not take. What it says of them is its
    own words, and is not read."""
    try:
        said = ExportTraceServiceResponse.FromString(answer)
    except DecodeError:
        return 0  # it took them, and answered in another language
    return int(said.partial_success.rejected_spans)


def _message(span: Span) -> trace_pb2.Span:
    wrong = trace_pb2.Status.STATUS_CODE_ERROR
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.ValueType(int(span.kind)),
        start_time_unix_nano=_nanoseconds(span.began_at),
        end_time_unix_nano=_nanoseconds(span.ended_at),
        attributes=_key_values(span.attributes),
        status=trace_pb2.Status(code=wrong) if span.failed else None,
        links=[
            trace_pb2.Span.Link(
                trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id)
            )
            for link in span.links
        ],
    )


def _key_values(said: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in sorted(said.items())]


def _any(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case str():
            return AnyValue(string_value=value)


def _nanoseconds(at: datetime) -> int:
    """Exact: a float has no room for them."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
