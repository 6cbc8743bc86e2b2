"""What a document is made of. All text is plain: each way of writing escapes for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` is 2 or 3; the document's title is the first."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of short sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they come to, one a line."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Every row is as long as `columns`. `caption` says what the rows are."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Kept line by line, as a query or a configuration is."""

    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """`at` is written out already, in whose zone the document says."""

    at: str
    text: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """`share` is between 0 and 1; `shown` says the number in words."""

    label: str
    share: float
    shown: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars below each other, drawn without any picture."""

    caption: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Blank:
    """Room for people to write; `asks` says what belongs there."""

    asks: str
    lines: int = 4


@dataclass(frozen=True, slots=True)
class NewPage:
    """What follows begins on a page of its own, where there are pages."""


Block: TypeAlias = (
    Heading | Paragraph | Items | Facts | Table | Code | Timeline | Bars | Blank | NewPage
)


@dataclass(frozen=True, slots=True)
class Document:
    """`made` says of when it is and who made it; `language` is a tag such as `en`."""

    title: str
    made: str
    blocks: tuple[Block, ...]
    language: str = "en"
