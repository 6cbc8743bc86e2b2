"""The document as HTML without any style or script of its own, so that a strict policy holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from markupsafe import Markup, escape

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

_NOTHING = Markup("")


def to_html(document: Document) -> Markup:
    """The inside of a page, from its first heading on."""
    head = Markup("<h1>{}</h1>\n<p>{}</p>\n").format(document.title, document.made)
    return head + Markup("\n").join(_block(block) for block in document.blocks)


def _block(block: Block) -> Markup:
    match block:
        case Heading():
            level = min(max(block.level, 2), 6)
            return Markup("<h{0}>{1}</h{0}>").format(level, block.text)
        case Paragraph():
            return Markup("<p>{}</p>").format(block.text)
        case Items():
            return _wrapped("ul", (Markup("<li>{}</li>").format(item) for item in block.items))
        case Facts():
            pair = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
            return _wrapped("dl", (pair.format(*fact) for fact in block.facts))
        case Table():
            return _table(block.caption, block.columns, block.rows)
        case Code():
            return Markup("<pre><code>{}</code></pre>").format(block.text)
        case Timeline():
            entry = Markup("<li><b>{}</b> {}{}</li>")
            return _wrapped(
                "ol", (entry.format(e.at, e.text, f" ({e.who})" if e.who else "")
                       for e in block.entries)
            )  # fmt: skip
        case Bars():
            return _bars(block)
        case NewPage():
            return Markup("<hr>")
        case Blank():
            return Markup('<p class="blank">{}</p>').format(block.asks)
    assert_never(block)


def _wrapped(tag: str, parts: Iterable[Markup]) -> Markup:
    return Markup("<{0}>{1}</{0}>").format(Markup(tag), _NOTHING.join(parts))  # noqa: S704


def _table(caption: str, columns: Iterable[str], rows: Iterable[Iterable[str | Markup]]) -> Markup:
    head = _NOTHING.join(Markup('<th scope="col">{}</th>').format(c) for c in columns)
    body = _NOTHING.join(
        _wrapped("tr", (Markup("<td>{}</td>").format(cell) for cell in row)) for row in rows
    )
    return Markup(
        "<table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(caption, head, body)


def _bars(block: Bars) -> Markup:
    meter = Markup('<meter min="0" max="1" value="{:.3f}">{}</meter>')
    rows = [
        (bar.label, meter.format(min(max(bar.share, 0.0), 1.0), escape(bar.shown)), bar.shown)
        for bar in block.bars
    ]
    return _table(block.caption, ("What", "Share", "Number"), rows)
