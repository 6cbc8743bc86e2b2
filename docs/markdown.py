"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    names = [name.strip() for name in head.split("|")]
    lines = [names, ["---"] * len(names), *[[_cell(value) for value in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
