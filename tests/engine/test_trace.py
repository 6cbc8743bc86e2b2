"""Spans are built from the ledger alone; what they may say is a list."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.trace import Kind, RequestLog, Story, spans_of
from mentalspace.engine.trace.request import Request
from mentalspace.engine.trace.span import attributes, is_sampled
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import load_settings

BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TRACE, OTHER = "a" * 32, "b" * 32
DELIVERY, ATTEMPT = UUID(int=1), UUID(int=2)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def delivery(**changes: Any) -> dict[str, Any]:
    return {
        "id": DELIVERY,
        "integration": "email",
        "kind": "reminder",
        "traceparent": f"00-{TRACE}-{'1' * 16}-01",
        "drill": None,
        "created_at": at(0),
        "ended_at": None,
        "provider": "resend",
        **changes,
    }


def line(number: int, kind: str, seconds: float, **changes: Any) -> dict[str, Any]:
    of_all = {"id": number, "at": at(seconds), "kind": kind, "data": {}, "attempt_id": None}
    return {**of_all, **changes}


def attempt(**changes: Any) -> dict[str, Any]:
    return {
        "id": ATTEMPT,
        "purpose": "send",
        "state": "succeeded",
        "started_at": at(2),
        "finished_at": at(3),
        "evidence_kind": None,
        "http": 200,
        "code": None,
        "request_id": "req_1",
        "case_id": None,
        "case_version": None,
        "disposition": None,
        "fault": None,
        "traceparent": f"00-{TRACE}-{'2' * 16}-01",
        "drill": None,
        "size": 1,
        "leads": True,
        **changes,
    }


CREATED = line(1, "delivery_created", 0)
OPENED = line(2, "attempt_opened", 2, attempt_id=ATTEMPT)


def test_a_member_of_a_batch_is_linked_to_the_request_that_carried_all() -> None:
    """The batch's request has a trace of its own, told of by one member; each member's try is in
    the member's own trace and linked to it."""
    carried = attempt(traceparent=f"00-{OTHER}-{'3' * 16}-01", size=40)
    lines = [CREATED, OPENED, line(3, "accepted", 3, attempt_id=ATTEMPT)]
    queue, sent, batch = spans_of(Story(delivery(), lines, [carried], {}))
    assert (sent.trace_id, sent.parent_id) == (TRACE, queue.span_id)
    [link] = sent.links
    assert (link.trace_id, link.span_id) == (batch.trace_id, batch.span_id) == (OTHER, "3" * 16)
    assert batch.attributes["messaging.batch.message_count"] == 40
    assert batch.parent_id is None
    led = spans_of(Story(delivery(id=UUID(int=9)), lines, [{**carried, "leads": False}], {}))
    assert [span.trace_id for span in led] == [TRACE, TRACE]
    assert not {span.span_id for span in led} & {queue.span_id, sent.span_id}


def test_a_try_whose_worker_died_is_told_of_by_the_first_line_after_it() -> None:
    """No line names its end; one that is under way is not told of yet."""
    lost = attempt(state="unknown", http=None)
    lines = [CREATED, OPENED, line(3, "worker_lost", 3)]
    _queue, tried = spans_of(Story(delivery(), lines, [lost], {}))
    assert (tried.failed, tried.settled_by, tried.attributes["error.type"]) == (True, 3, "unknown")
    under_way = attempt(state="open", finished_at=None)
    [queue] = spans_of(Story(delivery(), lines[:2], [under_way], {}))
    assert (queue.kind, queue.took, queue.settled_by) == (Kind.PRODUCER, timedelta(seconds=2), 2)


def test_what_never_left_waited_until_it_ended() -> None:
    """A cancelled message has one span; one that still waits has none. Whoever begins a trace
    hangs on nothing, and has the id that its trace context gives it."""
    root = {**CREATED, "data": {"root": True}}
    lines = [root, line(2, "cancelled", 60)]
    [queue] = spans_of(Story(delivery(ended_at=at(60)), lines, [], {}))
    assert (queue.took, queue.parent_id, queue.span_id) == (timedelta(minutes=1), None, "1" * 16)
    assert spans_of(Story(delivery(), [root], [], {})) == []


def test_a_webhook_lasts_from_when_it_came() -> None:
    """News of before the try was noted hangs on it all the same, and never lasts less than no
    time. A case that it meets is the span's error."""
    said = {
        "heard": "webhook",
        "event": "email.bounced",
        "case": "email.bounced",
        "request_id": "r",
    }
    hook = {"request_id": "r", "received_at": at(2.5), "traceparent": f"00-{OTHER}-{'4' * 16}-01"}
    lines = [CREATED, OPENED, line(3, "accepted", 3, attempt_id=ATTEMPT)]
    news = line(4, "provider_event", 2.4, data=said)
    *_, told = spans_of(Story(delivery(), [*lines, news], [attempt()], {"r": hook}))
    assert (told.parent_id, told.took, told.failed) == ("2" * 16, timedelta(0), True)
    assert told.attributes["error.type"] == "email.bounced"
    assert [link.trace_id for link in told.links] == [OTHER]
    asked = line(5, "provider_event", 4, data={**said, "heard": "asked"})
    assert len(spans_of(Story(delivery(), [*lines, asked], [attempt()], {}))) == 2


@pytest.mark.parametrize(
    "value",
    ["Testa Person", "testa@clinic.example", "+15551234567", "15551234567", "", 7, "x" * 200],
)
def test_what_is_no_word_is_not_said(value: object) -> None:
    """A provider's id or code may be anything; what looks like a person stays here."""
    assert attributes({"mentalspace.provider.request_id": value}) == {}


def test_a_name_that_is_not_listed_cannot_be_said() -> None:
    with pytest.raises(KeyError):
        attributes({"client.name": "x"})
    assert attributes({"http.response.status_code": True, "mentalspace.drill": False}) == {
        "mentalspace.drill": False
    }


def test_who_begins_a_trace_says_whether_it_is_kept() -> None:
    assert [is_sampled(f"00-{TRACE}-{'1' * 16}-{flags}") for flags in ("01", "00", "03")] == [
        True,
        False,
        True,
    ]


def test_where_traces_go_is_said_as_everywhere() -> None:
    """OpenTelemetry's own variables: a base address, or a whole one that wins; headers decoded."""
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
    assert load_settings({}).otlp is None
    otlp = load_settings({**base, "OTEL_EXPORTER_OTLP_HEADERS": "a=1%2C2, b=x"}).otlp
    assert otlp is not None
    assert otlp.url == "http://collector:4318/v1/traces"
    assert (otlp.headers, otlp.service) == ({"a": "1,2", "b": "x"}, "mentalspace")
    assert "1,2" not in repr(otlp)
    whole = load_settings({**base, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other/t"}).otlp
    assert whole is not None and whole.url == "http://other/t"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", name: value})
    [mistake] = caught.value.mistakes
    assert mistake.startswith(f"{name}: ")
    assert value not in mistake


async def test_a_request_is_written_down_once(
    database: Database, admin: asyncpg.Connection[Any]
) -> None:
    """Also if the last flush meets the chore's; what the database did not take waits, in order."""
    told = RequestLog()
    for number in range(3):
        traceparent = f"00-{TRACE}-{number:016x}-01"
        told.note(Request(traceparent, None, f"r-{number}", "POST", "/v1/x", 201, BEGAN, 4.0))
    await admin.execute("revoke insert on trace_request from mentalspace_door")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await told.flush(database)
    assert [each.request_id for each in told.waiting] == ["r-0", "r-1", "r-2"]
    await admin.execute("grant insert on trace_request to mentalspace_door")
    await asyncio.gather(told.flush(database), told.flush(database))
    rows = await admin.fetch("select request_id from trace_request order by id")
    assert [row["request_id"] for row in rows] == ["r-0", "r-1", "r-2"]
    assert not told.waiting
