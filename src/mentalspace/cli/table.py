"""Rows as a table for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

WIDEST = 60


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> str:
    """Columns side by side under their names; long values are cut."""
    texts = [list(columns), *([_text(value) for value in _values(row)] for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(columns))]
    lines = [_line(row, widths) for row in texts]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def _values(row: Mapping[str, Any] | Sequence[Any]) -> Sequence[Any]:
    return list(row.values()) if hasattr(row, "values") else row


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _text(value: Any) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "t" if value else "f"
        case datetime():
            text = value.isoformat(sep=" ", timespec="seconds")
        case bytes():
            text = f"\\x{value.hex()}"
        case dict() | list():
            text = json.dumps(value, default=str)
        case _:
            text = str(value)
    text = text.replace("\n", "⏎")
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
