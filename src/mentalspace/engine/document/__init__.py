"""A small document, written once and handed out as Markdown, as HTML and as PDF."""

from mentalspace.engine.document.html import to_html
from mentalspace.engine.document.markdown import to_markdown
from mentalspace.engine.document.model import (
    Bar,
    Bars,
    Blank,
    Block,
    Code,
    Document,
    Entry,
    Facts,
    Heading,
    Items,
    NewPage,
    Paragraph,
    Table,
    Timeline,
)

__all__ = [
    "Bar",
    "Bars",
    "Blank",
    "Block",
    "Code",
    "Document",
    "Entry",
    "Facts",
    "Heading",
    "Items",
    "NewPage",
    "Paragraph",
    "Table",
    "Timeline",
    "to_html",
    "to_markdown",
    "to_pdf",
]


def to_pdf(document: Document) -> bytes:
    """The same as PDF. What draws it is loaded only when somebody wants one."""
    from mentalspace.engine.document.pdf import draw

    return draw(document)
