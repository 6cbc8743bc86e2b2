"""The director's rounds through a box, with an installation that is none."""

# ruff: noqa: ARG002, ASYNC240
from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.exercise.answer import Answer, Box, Call, Lines, Terminal, Unreadable
from tests.exercise.calm import Calm
from tests.exercise.catalogue import FAULTS, MESA, find
from tests.exercise.director import Director, Times, draw
from tests.exercise.fault import Fault
from tests.exercise.stage import Console
from tests.exercise.table import as_table
from tests.exercise.test_catalogue import ModelHouse

_QUICK = Times(call_within_s=0.2, wake_s=0.0, answer_within_s=5.0, calm_within_s=0.1)
_FAULT = find("half_malformed")
_WRITTEN: dict[str, Any] = {
    "cause": "a field of theirs | or ours",
    "impact": "half of one practice",
    "action": "hold its mails",
    "sure": {"cause": "guess", "impact": "clear", "action": "clear"},
    "seconds": 64,
    "misled": "nothing",
}


@dataclass(slots=True)
class ModelScene(ModelHouse):
    """Calm unless told otherwise; an incident opens as soon as something is broken."""

    opens: bool = True
    harmed: int | None = 3
    calms: list[bool] = field(default_factory=list)
    console: Console = field(
        default_factory=lambda: Console("http://127.0.0.1:9", "oncall@demo.example", "demo")
    )

    async def wait_calm(self, within_s: float) -> Calm:
        assert self.broken() == []
        came = self.calms.pop(0) if self.calms else True
        return Calm(came, 12.0, () if came else ("incident: Mails fail",), ("Mails are slow",))

    async def opened(self, since: datetime) -> bool:
        return self.opens and bool(self.broken())

    async def touched(self, since: datetime) -> int | None:
        return self.harmed

    async def titles(self, since: datetime) -> list[str]:
        return ["Mails fail"] if self.opens else []


@dataclass(slots=True)
class Play:
    """A director with a box, and the installations that it has opened."""

    box: Path
    scenes: list[ModelScene]
    opened: list[ModelScene] = field(default_factory=list)
    told: list[tuple[int, str]] = field(default_factory=list)

    def director(self) -> Director:
        @asynccontextmanager
        async def scene() -> AsyncIterator[ModelScene]:
            self.opened.append(opened := self.scenes[len(self.opened)])
            yield opened
            assert opened.broken() == []

        return Director(
            Box(self.box), scene, lambda _text: None,
            lambda number, fault: self.told.append((number, fault.name)), _QUICK,
        )  # fmt: skip

    async def called(self, number: int) -> dict[str, Any]:
        path = self.box / f"called-{number}.json"
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.01)
        told: dict[str, Any] = json.loads(path.read_text())
        return told

    def write(self, number: int, text: str) -> None:
        (self.box / f"answer-{number}.json").write_text(text)


async def test_a_round_through_a_box(tmp_path: Path) -> None:
    """Whoever is called is told where to look and nothing of the fault; what they write stands
    beside the truth, and the fault is gone."""
    play = Play(tmp_path, [ModelScene()])
    director = play.director()
    running = asyncio.create_task(director.run([_FAULT]))
    told = await play.called(1)
    assert play.opened[0].broken()
    assert told["address"] == "http://127.0.0.1:9"
    assert told["login"] == "oncall@demo.example"
    for text in (path.read_text() for path in tmp_path.iterdir()):
        assert "resend" not in text.lower()
        assert MESA not in text.lower()
    play.write(1, '{"cause":')
    problem = tmp_path / "answer-1.problem"
    async with asyncio.timeout(10):
        while not problem.exists():
            await asyncio.sleep(0.01)
    play.write(1, json.dumps(_WRITTEN))
    (one,) = await running
    assert not problem.exists()
    assert play.told == [(1, _FAULT.name)]
    assert one.by_incident
    assert one.answer is not None
    assert one.answer.cause == _WRITTEN["cause"]
    table = as_table([one], 7)
    assert _FAULT.truth.cause in table
    assert "a field of theirs \\| or ours" in table
    assert "| guess, clear, clear | 64 |" in table
    assert "calm 12 s after healing" in table
    assert "closed by hand, fired still: Mails are slow" in table


async def test_a_fault_that_touches_nobody_calls_nobody(tmp_path: Path) -> None:
    """No incident, and nothing spoiled: the round is void, and the table says so."""
    play = Play(tmp_path, [ModelScene(opens=False, harmed=0)])
    (one,) = await play.director().run([_FAULT])
    assert one.called_after_s is None
    assert not (tmp_path / "called-1.json").exists()
    assert "void, it touched nobody" in as_table([one], 7)


async def test_harm_without_an_incident_calls_too(tmp_path: Path) -> None:
    """After its minutes somebody is called though nothing has opened; and where nobody can say
    whether anything was spoiled."""
    play = Play(tmp_path, [ModelScene(opens=False, harmed=None)])
    running = asyncio.create_task(play.director().run([_FAULT]))
    await play.called(1)
    play.write(1, json.dumps(_WRITTEN))
    (one,) = await running
    assert not one.by_incident
    assert "no incident had opened" in as_table([one], 7)


async def test_the_end_heals(tmp_path: Path) -> None:
    """Whoever plays may end it in the middle of a round: what was laid is lifted."""
    play = Play(tmp_path, [ModelScene()])
    running = asyncio.create_task(play.director().run([_FAULT, _FAULT]))
    await play.called(1)
    (tmp_path / "end").touch()
    assert await running == []
    assert play.opened[0].broken() == []


async def test_what_does_not_calm_down_is_set_up_afresh(tmp_path: Path) -> None:
    """The next fault is laid in an installation without the rest of the one before, and the table
    says what stood in the way."""
    play = Play(tmp_path, [ModelScene(calms=[True, False]), ModelScene()])
    running = asyncio.create_task(play.director().run([_FAULT, _FAULT]))
    for number in (1, 2):
        await play.called(number)
        play.write(number, json.dumps(_WRITTEN))
    rounds = await running
    assert len(play.opened) == 2
    assert "**not calm** 12 s after healing: incident: Mails fail" in as_table(rounds, 7)


def test_a_used_box_is_refused(tmp_path: Path) -> None:
    """Answers of an earlier exercise are not taken for those of this one."""
    box = Box(tmp_path / "box")
    box.make_ready()
    (tmp_path / "box" / "answer-1.json").touch()
    with pytest.raises(SystemExit, match="earlier exercise"):
        box.make_ready()


async def test_a_file_of_answers(tmp_path: Path) -> None:
    """The second line answers the second call, once it is whole."""
    path = tmp_path / "answers"
    line = json.dumps(_WRITTEN)
    path.write_text(f"{line}\n{line}")
    play = Play(tmp_path, [ModelScene()])
    director = play.director()
    director.desk = Lines(path)
    running = asyncio.create_task(director.run([_FAULT, _FAULT]))
    async with asyncio.timeout(10):
        while len(play.told) < 2:
            await asyncio.sleep(0.01)
    assert not running.done()
    path.write_text(f"{line}\n{line}\n")
    rounds = await running
    assert [one.answer.seconds for one in rounds if one.answer] == [64, 64]


async def test_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each part is asked for, and again how sure where the word is none of the three."""
    here, there = os.pipe()
    with os.fdopen(here) as stdin, os.fdopen(there, "w") as keys:
        monkeypatch.setattr(sys, "stdin", stdin)
        terminal = Terminal()
        await terminal.welcome(ModelScene().console)
        keys.write("theirs\nclear\n\nhalf\nperhaps\nguess\nwait\nunclear\n\n")
        keys.flush()
        answer = await terminal.answer(Call(1, ModelScene().console, "now", 5.0))
        await terminal.farewell("")
    assert (answer.cause, answer.impact, answer.action) == ("theirs", "half", "wait")
    assert list(answer.sure.values()) == ["clear", "guess", "unclear"]
    assert capsys.readouterr().out.count("clear / guess / unclear?") == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"impact": " "}, "impact"),
        ({"sure": {"cause": "certain"}}, "sure.cause"),
        ({"seconds": "long"}, "seconds"),
    ],
)
def test_an_answer_says_what_it_lacks(wrong: dict[str, Any], said: str) -> None:
    """Each part is written, and how sure."""
    with pytest.raises(Unreadable, match=said):
        Answer.of({**_WRITTEN, **wrong})


def test_the_draw_is_repeated_by_its_seed() -> None:
    """None comes twice before each has come once."""
    drawn = draw(FAULTS, len(FAULTS) + 2, Random(3))
    names = [fault.name for fault in drawn]
    assert len(set(names[: len(FAULTS)])) == len(FAULTS)
    assert drawn == draw(FAULTS, len(FAULTS) + 2, Random(3))


def test_every_fault_can_be_told(tmp_path: Path) -> None:
    """Every row of a table has its seven cells, whatever the truth says."""
    from tests.exercise.table import Round

    def row(fault: Fault) -> str:
        one = Round(1, fault, called_after_s=1.0, answer=Answer.of(_WRITTEN))
        return as_table([one], 1).splitlines()[4]

    for fault in FAULTS:
        assert row(fault).replace("\\|", "").count("|") == 8
