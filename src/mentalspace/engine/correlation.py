"""Whose work is at hand: the trace of the request or delivery, on every line logged meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars, get_contextvars

from mentalspace.kernel.ids import trace_id_of


@dataclass(slots=True)
class Written:
    """Whether the request at hand wrote a message or took one in."""

    anything: bool = False


_WRITTEN: ContextVar[Written | None] = ContextVar("written", default=None)


@contextmanager
def watching_what_is_written() -> Iterator[Written]:
    """Until the end of the block, by whomever the request is handed to."""
    written = Written()
    token = _WRITTEN.set(written)
    try:
        yield written
    finally:
        _WRITTEN.reset(token)


def note_written() -> None:
    if (written := _WRITTEN.get()) is not None:
        written.anything = True


@contextmanager
def following(traceparent: str, request_id: str | None = None) -> Iterator[None]:
    """Until the end of the block, in this task: `correlation_id` is the trace's id, the same from
    the request that asked for a message to the webhook that says what became of it."""
    ids = {"request_id": request_id} if request_id else {}
    with bound_contextvars(correlation_id=trace_id_of(traceparent), traceparent=traceparent, **ids):
        yield


def traceparent_at_hand() -> str | None:
    return get_contextvars().get("traceparent")


def request_at_hand() -> str | None:
    """The id that whoever asked was given for their request."""
    return get_contextvars().get("request_id")
