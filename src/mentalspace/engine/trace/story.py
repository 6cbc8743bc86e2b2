"""A delivery's spans: it waited, was tried, and its provider told what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mentalspace.engine.trace.span import (
    Kind,
    Link,
    Span,
    attributes,
    derived_id,
    span_id_of,
)
from mentalspace.kernel.ids import trace_id_of

SYSTEM = "mentalspace"


@dataclass(frozen=True, slots=True)
class Story:
    """What the ledger holds of one delivery: its row with its provider, its lines of the timeline
    and its attempts, each oldest first, and the webhooks that told of it, by their request's id."""

    delivery: Any
    lines: Sequence[Any]
    attempts: Sequence[Any]
    hooks: Mapping[str, Any]


def spans_of(story: Story) -> list[Span]:
    """Those that are final, oldest first. The same story gives the same spans, whoever asks."""
    queue_id, parent_id = _place(story)
    queued = _queued(story, queue_id, parent_id)
    tried = [
        span
        for number, attempt in enumerate(story.attempts)
        if (span := _tried(story, attempt, number, queue_id)) is not None
    ]
    batches = [
        _batch(story, attempt, span.settled_by)
        for attempt in story.attempts
        if _leads_batch(story, attempt)
        for span in tried
        if span.span_id == _attempt_id(story, attempt)
    ]
    told = [_told(story, line, queue_id) for line in story.lines if _is_news(line)]
    return [*([queued] if queued else []), *tried, *batches, *told]


def _place(story: Story) -> tuple[str, str | None]:
    """The id of the span that all others hang on, and what it hangs on itself: the request or the
    attempt that asked for the message. One that nobody asked for begins its trace."""
    given = span_id_of(story.delivery["traceparent"])
    if story.lines and story.lines[0]["data"].get("root"):
        return given, None
    return derived_id("queue", story.delivery["id"]), given


def _queued(story: Story, queue_id: str, parent_id: str | None) -> Span | None:
    """From when it was written until the first request began, or until it ended without any."""
    ended = _end_of_waiting(story)
    if ended is None:
        return None
    at, settled_by = ended
    return _span(
        story,
        span_id=queue_id,
        parent_id=parent_id,
        name=f"queue {story.delivery['integration']}",
        kind=Kind.PRODUCER,
        between=(story.delivery["created_at"], at),
        settled_by=settled_by,
        said={
            "messaging.operation.name": "queue",
            "messaging.operation.type": "create",
            "mentalspace.message.kind": story.delivery["kind"],
        },
    )


def _end_of_waiting(story: Story) -> tuple[datetime, int] | None:
    for line in story.lines:
        if line["kind"] == "attempt_opened":
            return line["at"], line["id"]
    ended_at = story.delivery["ended_at"]
    if ended_at is None:
        return None
    return next(((ended_at, line["id"]) for line in story.lines if line["at"] >= ended_at), None)


def _tried(story: Story, attempt: Any, number: int, queue_id: str) -> Span | None:
    """One request, as this delivery saw it; None while it is under way."""
    settled_by = _settled_by(story, attempt)
    if settled_by is None:
        return None
    said: dict[str, object] = {
        "messaging.operation.name": _operation(attempt),
        "messaging.operation.type": "send",
    }
    if number:
        said["http.request.resend_count"] = number
    own = trace_id_of(attempt["traceparent"]) == _trace_id(story)
    return _span(
        story,
        span_id=_attempt_id(story, attempt),
        parent_id=queue_id,
        name=f"{_operation(attempt)} {story.delivery['integration']}",
        kind=Kind.CLIENT if own else Kind.INTERNAL,
        between=(attempt["started_at"], attempt["finished_at"]),
        settled_by=settled_by,
        said={**said, **_outcome(attempt)},
        failed=attempt["state"] != "succeeded",
        links=() if own else (_link(attempt["traceparent"]),),
    )


def _batch(story: Story, attempt: Any, settled_by: int) -> Span:
    """The request that carried several: a trace of its own, to which each member's is linked."""
    said = {
        "messaging.system": SYSTEM,
        "messaging.destination.name": story.delivery["integration"],
        "messaging.operation.name": _operation(attempt),
        "messaging.operation.type": "send",
        "messaging.batch.message_count": attempt["size"],
        "mentalspace.drill": attempt["drill"] is not None,
        "mentalspace.provider": story.delivery["provider"],
        **_outcome(attempt),
    }
    return Span(
        trace_id=trace_id_of(attempt["traceparent"]),
        span_id=span_id_of(attempt["traceparent"]),
        parent_id=None,
        name=f"{_operation(attempt)} {story.delivery['integration']} batch",
        kind=Kind.CLIENT,
        began_at=attempt["started_at"],
        ended_at=max(attempt["started_at"], attempt["finished_at"]),
        attributes=attributes(said),
        failed=attempt["state"] != "succeeded",
        settled_by=settled_by,
    )


def _told(story: Story, line: Any, queue_id: str) -> Span:
    """A webhook, from when it came until it was applied. Where its own request began another trace,
    which no provider can know better, that one is linked."""
    data, hook = line["data"], story.hooks.get(line["data"].get("request_id", ""))
    sent = [a for a in story.attempts if a["started_at"] <= line["at"]]
    came_by = hook["traceparent"] if hook else None
    own = came_by is not None and trace_id_of(came_by) == _trace_id(story)
    parent_id = _attempt_id(story, sent[-1]) if sent else queue_id
    return _span(
        story,
        span_id=derived_id("webhook", line["id"], story.delivery["id"]),
        parent_id=span_id_of(came_by) if came_by and own else parent_id,
        name=f"webhook {story.delivery['integration']}",
        kind=Kind.CONSUMER,
        between=(hook["received_at"] if hook else line["at"], line["at"]),
        settled_by=line["id"],
        said={
            "messaging.operation.name": "webhook",
            "messaging.operation.type": "process",
            "mentalspace.event": data.get("event"),
            "mentalspace.provider.code": data.get("code"),
            "mentalspace.message.status": data.get("moved_to"),
            "mentalspace.request_id": data.get("request_id"),
            "mentalspace.case": data.get("case"),
            "error.type": data.get("case"),
        },
        failed="case" in data,
        links=(_link(came_by),) if came_by and not own else (),
    )


def _span(
    story: Story,
    *,
    span_id: str,
    parent_id: str | None,
    name: str,
    kind: Kind,
    between: tuple[datetime, datetime],
    settled_by: int,
    said: Mapping[str, object],
    failed: bool = False,
    links: tuple[Link, ...] = (),
) -> Span:
    began_at, ended_at = between
    of_all = {
        "messaging.system": SYSTEM,
        "messaging.destination.name": story.delivery["integration"],
        "messaging.message.id": story.delivery["id"],
        "mentalspace.provider": story.delivery["provider"],
        "mentalspace.drill": story.delivery["drill"] is not None,
    }
    return Span(
        trace_id=_trace_id(story),
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        began_at=began_at,
        # two processes' clocks, and transactions that began before what they tell of
        ended_at=max(began_at, ended_at),
        attributes=attributes({**of_all, **said}),
        failed=failed,
        links=links,
        settled_by=settled_by,
    )


def _outcome(attempt: Any) -> dict[str, object]:
    failed = attempt["state"] != "succeeded"
    error = attempt["case_id"] or attempt["evidence_kind"] or attempt["state"]
    return {
        "mentalspace.attempt.id": attempt["id"],
        "http.response.status_code": attempt["http"],
        "error.type": error if failed else None,
        "mentalspace.case": attempt["case_id"],
        "mentalspace.case.version": attempt["case_version"],
        "mentalspace.disposition": attempt["disposition"],
        "mentalspace.fault": attempt["fault"],
        "mentalspace.provider.code": attempt["code"],
        "mentalspace.provider.request_id": attempt["request_id"],
    }


def _settled_by(story: Story, attempt: Any) -> int | None:
    """The first line that speaks of the attempt's end; where none names it, since its worker died,
    the first that was written after it."""
    if attempt["finished_at"] is None:
        return None
    later = [line for line in story.lines if line["kind"] != "attempt_opened"]
    named = [line["id"] for line in later if line["attempt_id"] == attempt["id"]]
    after = [line["id"] for line in later if line["at"] >= attempt["finished_at"]]
    return next(iter([*named, *after]), None)


def _leads_batch(story: Story, attempt: Any) -> bool:
    """One member tells of the request that carried them all."""
    return bool(attempt["leads"]) and trace_id_of(attempt["traceparent"]) != _trace_id(story)


def _attempt_id(story: Story, attempt: Any) -> str:
    if trace_id_of(attempt["traceparent"]) == _trace_id(story):
        return span_id_of(attempt["traceparent"])
    return derived_id("attempt", attempt["id"], story.delivery["id"])


def _operation(attempt: Any) -> str:
    return "reconcile" if attempt["purpose"] == "reconcile" else "send"


def _is_news(line: Any) -> bool:
    told = line["data"].get("heard") if line["kind"] == "provider_event" else None
    return bool(told == "webhook")


def _link(traceparent: str) -> Link:
    return Link(trace_id_of(traceparent), span_id_of(traceparent))


def _trace_id(story: Story) -> str:
    return trace_id_of(story.delivery["traceparent"])
