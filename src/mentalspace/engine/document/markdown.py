"""The document as Markdown (CommonMark with tables), readable as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from mentalspace.engine.document.model import (
    Bars,
    Blank,
    Block,
    Code,
    Document,
    Facts,
    Heading,
    Items,
    NewPage,
    Paragraph,
    Table,
    Timeline,
)

BAR_CELLS = 20
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
# What would begin a heading, a list, a quote or a rule, were it the first of its line.
_OPENING = re.compile(r"^([#+\-=>]|\d+(?=[.)]))")


def to_markdown(document: Document) -> str:
    parts = [f"# {_line(document.title)}", _line(document.made)]
    parts += [_block(block) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * min(max(block.level, 2), 6)} {_line(block.text)}"
        case Paragraph():
            return _line(block.text)
        case Items():
            return "\n".join(f"- {_line(item)}" for item in block.items)
        case Facts():
            return "\n".join(f"- **{_line(name)}:** {_line(said)}" for name, said in block.facts)
        case Table():
            return f"{_line(block.caption)}\n\n{_rows(block.columns, block.rows)}"
        case Code():
            return _fenced(block.text)
        case Timeline():
            rows = [(entry.at, entry.text, entry.who) for entry in block.entries]
            return _rows(("When", "What", "Who"), rows)
        case Bars():
            rows = [(bar.label, _drawn(bar.share), bar.shown) for bar in block.bars]
            return f"{_line(block.caption)}\n\n{_rows(('', '', ''), rows)}"
        case NewPage():
            return "---"
        case Blank():
            return f"> {_line(block.asks)}\n>\n> …"
    assert_never(block)


def _rows(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = [_cell(column) for column in columns]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row([_cell(cell) for cell in row]) for row in rows]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _joined(text))


def _drawn(share: float) -> str:
    """At least one cell for what is not nothing."""
    cells = round(min(max(share, 0.0), 1.0) * BAR_CELLS)
    return "█" * max(cells, 1 if share > 0 else 0) or "–"


def _line(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", _joined(text))
    return _OPENING.sub(_backslashed, escaped)


def _backslashed(found: re.Match[str]) -> str:
    """A number keeps its digits; the mark after it is what must not count."""
    opening = found.group(1)
    return f"{opening}\\" if opening.isdigit() else f"\\{opening}"


def _joined(text: str) -> str:
    """One line, with whatever a line may hold."""
    return " ".join(text.split())


def _fenced(text: str) -> str:
    """A fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.strip(chr(10))}\n{fence}"
