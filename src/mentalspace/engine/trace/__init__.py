"""Traces, told after the fact: spans are built from the ledger, which has it all anyway."""

from __future__ import annotations

from mentalspace.engine.trace.request import RequestLog
from mentalspace.engine.trace.span import Kind, Span
from mentalspace.engine.trace.story import Story, spans_of

__all__ = ["Kind", "RequestLog", "Span", "Story", "spans_of"]
