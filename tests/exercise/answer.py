"""What whoever is called writes down, and the ways it comes in: a box, a file, a terminal."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeGuard, get_args

from tests.exercise.stage import Console

Sure = Literal["clear", "guess", "unclear"]
PARTS = ("cause", "impact", "action")
LOOK_EVERY_S = 0.5


class Unreadable(ValueError):
    """Not an answer; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`sure` by part; `seconds` as they counted themselves, or None."""

    cause: str
    impact: str
    action: str
    sure: Mapping[str, Sure]
    seconds: float | None = None
    misled: str = ""

    @classmethod
    def of(cls, given: Any) -> Answer:
        """Raises Unreadable."""
        if not isinstance(given, dict):
            raise Unreadable("an answer is a JSON object")
        sure = given.get("sure", {})
        if isinstance(sure, str):
            sure = dict.fromkeys(PARTS, sure)
        for part in PARTS:
            if not str(given.get(part, "")).strip():
                raise Unreadable(f"{part}: say it, or that it is unclear")
            if not _is_sure(sure.get(part)):
                raise Unreadable(f"sure.{part}: one of {', '.join(get_args(Sure))}")
        seconds = given.get("seconds")
        if seconds is not None and not isinstance(seconds, int | float):
            raise Unreadable("seconds: a number")
        words = {part: str(given[part]).strip() for part in PARTS}
        return cls(**words, sure=sure, seconds=seconds, misled=str(given.get("misled", "")).strip())


@dataclass(frozen=True, slots=True)
class Call:
    """What whoever is called is told: nothing of what is wrong."""

    number: int
    console: Console
    called_at: str
    answer_within_s: float


class Desk(Protocol):
    """Whoever is called, as the director knows them."""

    async def welcome(self, console: Console, /) -> None: ...

    async def call(self, call: Call, /) -> None: ...

    async def answer(self, call: Call, /) -> Answer:
        """Waits; whoever asks sets the limit."""
        ...

    async def until_ended(self) -> None:
        """Returns once they want no more."""
        ...

    async def farewell(self, table: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Box:
    """A directory: `console.json` once it runs; `called-N.json` for each call, answered by
    `answer-N.json`, of which `answer-N.problem` says why it cannot be read; `end` ends it, and
    `table.md` is what came of it."""

    directory: Path

    def make_ready(self) -> None:
        """Raises SystemExit for one that has been used."""
        self.directory.mkdir(parents=True, exist_ok=True)
        left = [path.name for path in self.directory.iterdir()]
        if any(name.startswith(("called-", "answer-", "end", "table")) for name in left):
            raise SystemExit(f"{self.directory} holds an earlier exercise: give an empty one")

    async def welcome(self, console: Console) -> None:
        _write(self.directory / "console.json", json.dumps(asdict(console)))

    async def call(self, call: Call) -> None:
        _write(self.directory / f"called-{call.number}.json", json.dumps(_told(call)))

    async def answer(self, call: Call) -> Answer:
        path = self.directory / f"answer-{call.number}.json"
        problem = path.with_suffix(".problem")
        while True:
            if path.exists():
                try:
                    answer = Answer.of(json.loads(path.read_text()))
                except ValueError as error:
                    _write(problem, f"{error}\n")
                else:
                    problem.unlink(missing_ok=True)
                    return answer
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_ended(self) -> None:
        while not (self.directory / "end").exists():
            await asyncio.sleep(LOOK_EVERY_S)

    async def farewell(self, table: str) -> None:
        _write(self.directory / "table.md", table)


@dataclass(slots=True)
class Lines:
    """A file of answers, a JSON object a line: the Nth is that of the Nth call. It may grow."""

    path: Path
    _taken: int = 0

    async def welcome(self, _console: Console) -> None: ...

    async def call(self, _call: Call) -> None: ...

    async def answer(self, call: Call) -> Answer:
        while True:
            written = self.path.read_text() if self.path.exists() else ""
            lines = written.split("\n")[:-1]  # the last is not at its end yet
            if len(lines) >= call.number:
                return Answer.of(json.loads(lines[call.number - 1]))
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_ended(self) -> None:
        await asyncio.Event().wait()

    async def farewell(self, _table: str) -> None: ...


@dataclass(slots=True)
class Terminal:
    """Questions and answers, typed."""

    _reader: asyncio.StreamReader | None = None
    _transport: asyncio.ReadTransport | None = None

    async def welcome(self, _console: Console) -> None:
        if self._reader is None:  # else it is a fresh installation, and the same terminal
            self._reader = reader = asyncio.StreamReader()
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )

    async def call(self, _call: Call) -> None:
        print("\a", end="", flush=True)

    async def answer(self, _call: Call) -> Answer:
        given: dict[str, Any] = {"sure": {}}
        for part in PARTS:
            given[part] = await self._ask(f"{part}: ")
            while not _is_sure(sure := await self._ask(f"  {' / '.join(get_args(Sure))}? ")):
                pass
            given["sure"][part] = sure
        given["misled"] = await self._ask("what misled you, worst first: ", may_be_empty=True)
        return Answer.of(given)

    async def until_ended(self) -> None:
        await asyncio.Event().wait()

    async def farewell(self, _table: str) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _ask(self, question: str, *, may_be_empty: bool = False) -> str:
        assert self._reader is not None
        while True:
            print(question, end="", flush=True)
            line = await self._reader.readline()
            if not line:
                raise SystemExit("the terminal is gone")
            if (said := line.decode().strip()) or may_be_empty:
                return said


def _told(call: Call) -> dict[str, Any]:
    return {
        "number": call.number,
        **asdict(call.console),
        "called_at": call.called_at,
        "answer_within_s": call.answer_within_s,
        "rules": "the console's pages and nothing else, but for Sandbox; press no button",
        "write": dict.fromkeys(PARTS, "in your own words")
        | {
            "sure": {part: " | ".join(get_args(Sure)) for part in PARTS},
            "seconds": "until you knew as much as you wrote",
            "misled": "what misled you, worst first",
        },
    }


def _is_sure(value: object) -> TypeGuard[Sure]:
    return value in get_args(Sure)


def _write(path: Path, text: str) -> None:
    """Whole or not at all: somebody waits for it."""
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(text)
    fresh.replace(path)
