"""Reads TOML: typed values out, and every mistake with its line and cure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from mentalspace.engine.runbook.problem import Problem

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

FENCE = "+++"
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_NEVER = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Source:
    """TOML text and where it stands: its file, and the lines above it in that file."""

    path: Path
    text: str
    lines_above: int = 0

    def line(self, key: str, header: str | None = None, index: int = 0) -> int | None:
        """Where `key` is written; inside the `index`-th `[[header]]` if one is named."""
        opening, seen, inside = f"[{header}]", -1, header is None
        wanted = re.compile(rf"(?:{re.escape(key)}\s*=|\[\[?{re.escape(key)}[\].])")
        for number, line in enumerate(map(str.strip, self.text.splitlines()), start=1):
            if header and line.startswith("["):
                seen += opening in line
                inside = opening in line and seen == index
            if inside and wanted.match(line):
                return number + self.lines_above
        return None


def parse_toml(source: Source, problems: list[Problem]) -> dict[str, object] | None:
    """The document, or None with a Problem."""
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) + source.lines_above if at else None
        text = _AT_LINE.sub("", str(error))
        problems.append(
            Problem(source.path, line, f"not TOML: {text}", "strings need quotes, arrays brackets")
        )
        return None


def split_head(path: Path, text: str, problems: list[Problem]) -> tuple[Source, str] | None:
    """A Markdown file's TOML head and its prose, or None with a Problem."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != FENCE:
        cure = f"begin the file with {FENCE}, the head's keys and another {FENCE}"
        problems.append(Problem(path, 1, "no head", cure))
        return None
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() == FENCE:
            head = Source(path, "\n".join(lines[1:number]) + "\n", lines_above=1)
            return head, "\n".join(lines[number + 1 :]).strip()
    problems.append(Problem(path, 1, "the head never ends", f"close it with a line {FENCE}"))
    return None


class Table:
    """One TOML table being read. It remembers which keys were asked for.

    A wrong or missing value adds a Problem and yields a placeholder, so that one reading
    reports every mistake; whoever reads throws the placeholder away.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        source: Source,
        problems: list[Problem],
        *,
        header: str | None = None,
        index: int = 0,
        line: int | None = None,
    ) -> None:
        self.values = values
        self.source = source
        self.problems = problems
        self._header = header
        self._index = index
        self._line = line
        self._asked: set[str] = set()

    def problem(self, key: str, text: str, cure: str) -> None:
        line = self._line or self.source.line(key, self._header, self._index)
        if line is None and self._header:
            line = self.source.line(self._header)
        self.problems.append(Problem(self.source.path, line, text, cure))

    def has(self, key: str) -> bool:
        self._asked.add(key)
        return key in self.values

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default, "a text in quotes")
        if isinstance(value, str) and (value.strip() or default is not None):
            return value
        return self._wrong(key, value, 'a text in quotes, such as "…"', "")

    def maybe_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._take(key, default, "a whole number")
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        return self._wrong(key, value, "a whole number, zero or more", 0)

    def maybe_whole(self, key: str) -> int | None:
        return self.whole(key) if self.has(key) else None

    def number(self, key: str, default: float | None = None) -> float:
        value = self._take(key, default, "a number")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        return self._wrong(key, value, "a number", 0)

    def maybe_number(self, key: str) -> float | None:
        return self.number(key) if self.has(key) else None

    def maybe_flag(self, key: str) -> bool | None:
        if not self.has(key):
            return None
        value = self.values[key]
        return value if isinstance(value, bool) else self._wrong(key, value, "true or false", False)

    def day(self, key: str) -> date:
        value = self._take(key, None, "a date without quotes")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        return self._wrong(key, value, "a date without quotes, such as 2027-02-23", _NEVER)

    def one_of(self, key: str, words: type[E], default: E | None = None) -> E:
        value = self._take(key, default, "one of " + ", ".join(words))
        if isinstance(value, str) and value in set(words):
            return words(value)
        return self._wrong(key, value, "one of " + ", ".join(words), next(iter(words)))

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        value = self._take(key, None if required else (), "a list of texts")
        values = [value] if isinstance(value, str) else value
        if isinstance(values, list | tuple) and all(isinstance(v, str) and v for v in values):
            return tuple(values)
        return self._wrong(key, value, 'a list of texts, such as ["…"]', ())

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers; a single number counts as a list of one."""
        value = self._take(key, (), "a list of whole numbers")
        values = [value] if isinstance(value, int) else value
        if isinstance(values, list | tuple) and all(type(v) is int for v in values):
            return tuple(values)
        return self._wrong(key, value, "a whole number or a list of them", ())

    def tables(self, key: str) -> tuple[Table, ...]:
        """A list of tables, written as `[[key]]` or in braces; a single table counts as one."""
        value = self._take(key, (), "a table")
        values = [value] if isinstance(value, dict) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, dict) for v in values):
            return self._wrong(key, value, "a table in braces, or a list of them", ())
        return tuple(self._inner(key, index, v) for index, v in enumerate(values))

    def rest(self) -> dict[str, str | int | float | bool]:
        """Every key not asked for, as plain values: the parameters of an action."""
        left = {key: value for key, value in self.values.items() if key not in self._asked}
        plain: dict[str, str | int | float | bool] = {}
        for key, value in left.items():
            self._asked.add(key)
            if isinstance(value, str | int | float | bool):
                plain[key] = value
            else:
                self._wrong(key, value, "a text, number, true or false", "")
        return plain

    def done(self) -> None:
        """Report every key that nobody asked for."""
        for key in self.values:
            if key not in self._asked:
                self.problem(key, f"unknown key {key!r}", _did_you_mean(key, self._asked))

    def _inner(self, key: str, index: int, values: Mapping[str, object]) -> Table:
        braced = self.source.line(key, self._header, self._index)
        headed = re.search(rf"^\s*\[\[?{re.escape(key)}\]", self.source.text, re.MULTILINE)
        if headed and self._header is None:
            return Table(values, self.source, self.problems, header=key, index=index)
        return Table(values, self.source, self.problems, line=braced or self._line)

    def _take(self, key: str, default: object, wanted: str) -> object:
        self._asked.add(key)
        if key in self.values:
            return self.values[key]
        if default is None:
            self.problem(key, f"{key!r} is missing", f"add it: {wanted}")
        return default

    def _wrong(self, key: str, value: object, wanted: str, placeholder: T) -> T:
        if key in self.values:  # a missing key is reported already
            self.problem(key, f"{key!r} is {value!r}", f"give {wanted}")
        return placeholder


def problem_at(path: Path, key: str, text: str, cure: str, *, warning: bool = False) -> Problem:
    """A Problem at the line where the file writes `key`, if it does."""
    raw = path.read_text(encoding="utf-8") if path.is_file() else ""
    line = Source(path, raw).line(key)
    return Problem(path, line, text, cure, "warning" if warning else "error")


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return (
        f"did you mean {close[0]!r}?" if close else f"remove it, or use {', '.join(sorted(known))}"
    )
