"""Just enough YAML to write rules with: mappings, lists, texts, numbers, and remarks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | float | Sequence[Value] | Mapping[str, Value]"

# Under this key of a mapping stands a remark on it.
REMARK = "#"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ .:/()-]*[A-Za-z0-9)]|[A-Za-z0-9]+")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def to_yaml(value: Mapping[str, Value]) -> str:
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _remark(inner) if key == REMARK else _entry(f"{key}:", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _item(inner)


def _remark(text: Value) -> Iterator[str]:
    for line in str(text).splitlines():
        yield f"# {line}"


def _entry(head: str, value: Value) -> Iterator[str]:
    if isinstance(value, str) and ("\n" in value or '"' in value):
        yield f"{head} |-"
        yield from (f"  {line}" for line in value.splitlines())
    elif isinstance(value, str | int | float):
        yield f"{head} {_scalar(value)}"
    elif not value:
        yield f"{head} {'{}' if isinstance(value, Mapping) else '[]'}"
    else:
        yield head
        yield from (f"  {line}" for line in _lines(value))


def _item(value: Value) -> Iterator[str]:
    if isinstance(value, str | int | float):
        yield f"- {_scalar(value)}"
        return
    mark = "- "
    for line in _lines(value):
        # A remark stands before its item, where it cannot be taken for a part of it.
        if line.startswith("# ") and mark == "- ":
            yield line
        else:
            yield f"{mark}{line}"
            mark = "  "


def _scalar(value: str | float) -> str:
    if not isinstance(value, str):
        return f"{value:g}"
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS and ": " not in value
    is_number = value[:1].isdigit() and not re.fullmatch(r"\d+[smhdw]", value)
    return value if plain and not is_number else json.dumps(value, ensure_ascii=False)
