"""Structured logs that can only say what the allow-list names."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast
from uuid import UUID

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

# A field that is not here is dropped and counted, whatever its value: a log line is no place
# to find out that something was private.
_ALLOWED = """
    event level timestamp process
    integration provider endpoint practice_id credential_id lane_id delivery_id attempt_id
    incident_id inbox_id drill rule case case_version disposition severity status before
    kind purpose http code correlation_id request_id provider_request_id traceparent
    idempotency_key worker wakeup
    count limit seconds wait_s duration_ms retry_in_s attempts starts port pid path_template
    method error reason head state target step version mode dropped_fields revision role
"""
ALLOWED = frozenset(_ALLOWED.split())


def _allow_listed(_logger: Any, _method: str, event: EventDict) -> EventDict:
    dropped = [key for key in event if key not in ALLOWED]
    for key in dropped:
        del event[key]
    if dropped:
        event["dropped_fields"] = len(dropped)
    return event


def _plain_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Exceptions and other objects shrink to their type: their text may quote a person."""
    for key, value in event.items():
        if isinstance(value, UUID):
            event[key] = str(value)
        elif not isinstance(value, str | int | float | bool | None):
            event[key] = type(value).__name__
    return event


class _StandardLibrary(logging.Handler):
    """Other libraries' records: logger, level and exception type, never their message."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        get_logger(record.name).log(
            record.levelno, "library_log", kind=record.name, error=error, code=record.funcName
        )


def configure_logs(process: str, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """JSON lines to `stream` (standard error), for this process.

    On standard error, which is then a file, nothing else is said either: what nobody caught
    becomes a line with its type and place.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _stamp(process),
            _allow_listed,
            _plain_values,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_StandardLibrary(level=logging.WARNING)]
    root.setLevel(logging.WARNING)
    if stream is None:
        _guard_standard_error()


def _guard_standard_error() -> None:
    """The interpreter's own reports quote the exception, and an exception may quote a person."""
    sys.excepthook = _say_uncaught
    sys.unraisablehook = lambda left: _say_uncaught(
        left.exc_type, left.exc_value, left.exc_traceback
    )
    threading.excepthook = lambda left: _say_uncaught(
        left.exc_type, left.exc_value, left.exc_traceback
    )
    logging.captureWarnings(True)


def _say_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        kind, trace = type(error), error.__traceback__
    last = [*traceback.extract_tb(trace)][-1:]
    place = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in last]
    get_logger(__name__).critical("uncaught", error=kind.__name__, code="".join(place))


def _stamp(process: str) -> Any:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def get_logger(_name: str) -> FilteringBoundLogger:
    return cast(FilteringBoundLogger, structlog.get_logger())
