"""The document as PDF, in the standard fonts that every reader brings along."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, assert_never
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Rect
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    HRFlowable,
    KeepTogether,
    PageBreak,
    Preformatted,
    SimpleDocTemplate,
    Spacer,
)
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from mentalspace.engine.document.letters import Letters
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

_MARGIN = 20 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_CODE_COLUMNS = 92
# Of a cell that would fill a page nothing can be laid out; the Markdown has all of it.
_LONGEST_CELL = 1500
_INK, _QUIET, _LINE = colors.HexColor("#1a2330"), colors.HexColor("#55606f"), colors.lightgrey

_BODY = ParagraphStyle(
    "body", fontName="Helvetica", fontSize=9.5, leading=13, textColor=_INK, spaceAfter=5
)
_TITLE = ParagraphStyle(
    "title", _BODY, fontName="Helvetica-Bold", fontSize=18, leading=22, spaceAfter=4
)
_QUIET_TEXT = ParagraphStyle("quiet", _BODY, fontSize=8, leading=11, textColor=_QUIET)
_SECTION = ParagraphStyle(
    "section", _BODY, fontName="Helvetica-Bold", fontSize=13, leading=17, spaceBefore=10,
    keepWithNext=1,
)  # fmt: skip
_PART = ParagraphStyle("part", _SECTION, fontSize=10.5, leading=14, spaceBefore=6)
_CELL = ParagraphStyle("cell", _BODY, fontSize=8, leading=10, spaceAfter=0)
_HEAD_CELL = ParagraphStyle("head", _CELL, fontName="Helvetica-Bold")
_ITEM = ParagraphStyle("item", _BODY, leftIndent=12, bulletIndent=2, spaceAfter=3)
_CODE = ParagraphStyle("code", _BODY, fontName="Courier", fontSize=7.5, leading=9.5)

_GRID = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]


def draw(document: Document) -> bytes:
    """A letter the fonts do not have is written as what stands in for it, and a last line says
    so. The same document gives the same bytes."""
    letters = Letters()
    pen = _Pen(letters)
    title = letters.drawable(document.title)
    story: list[Flowable] = [pen.text(document.title, _TITLE), pen.text(document.made, _QUIET_TEXT)]
    for block in document.blocks:
        story.extend(pen.block(block))
    if letters.changed:
        story.append(pen.text(_note(letters.changed), _QUIET_TEXT))
    file = io.BytesIO()
    template = SimpleDocTemplate(
        file, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN,
        bottomMargin=_MARGIN, title=title, author="MentalSpace", lang=document.language,
        invariant=1,
    )  # fmt: skip
    foot = _foot(title)
    template.build(story, onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def _note(changed: int) -> str:
    many = "One letter is" if changed == 1 else f"{changed} letters are"
    return f"{many} not in the fonts of this PDF and written otherwise; the Markdown has all."


def _foot(title: str) -> Any:
    def write(canvas: Any, template: Any) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 7.5)
        canvas.setFillColor(_QUIET)
        canvas.drawString(_MARGIN, 12 * mm, title[:90])
        canvas.drawRightString(A4[0] - _MARGIN, 12 * mm, f"Page {template.page}")
        canvas.restoreState()

    return write


class _Pen:
    """Lays out one block after another, its letters counted by one hand."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    def text(self, text: str, style: ParagraphStyle, bullet: str | None = None) -> Flowable:
        return Text(self._safe(text), style, bulletText=bullet)

    def block(self, block: Block) -> Iterator[Flowable]:
        match block:
            case Heading():
                yield self.text(block.text, _SECTION if block.level <= 2 else _PART)
            case Paragraph():
                yield self.text(block.text, _BODY)
            case Items():
                yield from (self.text(item, _ITEM, "•") for item in block.items)
            case Facts():
                yield from self._facts(block.facts)
            case Table():
                yield self.text(block.caption, _BODY)
                yield from self._grid(block.columns, block.rows)
            case Code():
                shown = self._letters.drawable(block.text.strip("\n")).expandtabs(2)
                yield Preformatted(shown, _CODE, maxLineLength=_CODE_COLUMNS)
            case Timeline():
                rows = [(entry.at, entry.text, entry.who) for entry in block.entries]
                yield from self._grid(("When", "What", "Who"), rows)
            case Bars():
                yield self.text(block.caption, _BODY)
                yield from self._bars(block)
            case NewPage():
                yield PageBreak()
            case Blank():
                yield self._blank(block)
            case _:
                assert_never(block)

    def _safe(self, text: str) -> str:
        return escape(self._letters.drawable(" ".join(text.split())))

    def _cell(self, text: str, style: ParagraphStyle = _CELL) -> Flowable:
        shown = text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"
        return self.text(shown, style)

    def _facts(self, facts: Iterable[tuple[str, str]]) -> Iterator[Flowable]:
        rows = [[self._cell(name, _HEAD_CELL), self._cell(said)] for name, said in facts]
        if rows:
            yield Grid(rows, colWidths=[_WIDTH * 0.3, _WIDTH * 0.7], style=_GRID)
            yield Spacer(1, 6)

    def _grid(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Flowable]:
        if not columns:
            return
        cells = [[self._cell(column, _HEAD_CELL) for column in columns]]
        cells += [[self._cell(cell) for cell in row] for row in rows]
        yield Grid(cells, colWidths=_widths(columns, rows), style=_GRID, repeatRows=1, splitInRow=1)
        yield Spacer(1, 6)

    def _bars(self, block: Bars) -> Iterator[Flowable]:
        rows = [
            [self._cell(bar.label), _bar(bar.share), self._cell(bar.shown)] for bar in block.bars
        ]
        if rows:
            yield Grid(rows, colWidths=[_WIDTH * 0.35, _WIDTH * 0.4, _WIDTH * 0.25], style=_GRID)
            yield Spacer(1, 6)

    def _blank(self, block: Blank) -> Flowable:
        lines: list[Flowable] = [self.text(block.asks, _QUIET_TEXT)]
        lines += [
            HRFlowable(width="100%", thickness=0.4, color=_LINE, spaceBefore=14, spaceAfter=0)
            for _ in range(block.lines)
        ]
        return KeepTogether([*lines, Spacer(1, 8)])


def _bar(share: float) -> Drawing:
    whole, high = _WIDTH * 0.38, 7
    drawing = Drawing(whole, high + 2)
    drawing.add(Rect(0, 0, whole, high, fillColor=colors.whitesmoke, strokeColor=None))
    filled = min(max(share, 0.0), 1.0) * whole
    drawing.add(Rect(0, 0, filled, high, fillColor=colors.HexColor("#3a6ea5"), strokeColor=None))
    return drawing


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """By what the columns hold, none so narrow that it says nothing."""
    longest = [
        min(max(len(column), *(len(row[n]) for row in rows), 10), 60) if rows else len(column) + 4
        for n, column in enumerate(columns)
    ]
    whole = sum(longest)
    return [_WIDTH * one / whole for one in longest]
