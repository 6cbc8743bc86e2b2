"""Breaks something, calls somebody, waits for what they write, heals it, and begins again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Protocol

from tests.exercise.answer import Answer, Call, Desk
from tests.exercise.calm import Calm
from tests.exercise.fault import Fault, House
from tests.exercise.stage import Console
from tests.exercise.table import Round

Say = Callable[[str], None]
LOOK_EVERY_S = 2.0


class Scene(House, Protocol):
    """An installation as the director sees it."""

    @property
    def console(self) -> Console: ...

    async def wait_calm(self, within_s: float) -> Calm:
        """Tidying up as whoever is on call would."""
        ...

    async def opened(self, since: datetime) -> bool:
        """Whether an incident has opened since."""
        ...

    async def touched(self, since: datetime) -> int | None:
        """How many deeds have been spoilt since; None if nobody can say."""
        ...

    async def titles(self, since: datetime) -> list[str]:
        """Of what has opened since."""
        ...


OpenScene = Callable[[], AbstractAsyncContextManager[Scene]]


@dataclass(frozen=True, slots=True)
class Times:
    """`call_within_s`: somebody is called by then, incident or not. A page needs `wake_s` until
    whoever it wakes looks. What is not calm after `calm_within_s` is given up for a fresh one."""

    call_within_s: float = 360.0
    wake_s: float = 20.0
    answer_within_s: float = 900.0
    calm_within_s: float = 480.0


@dataclass(slots=True)
class Director:
    """`tell_truth` is given each round's fault as it is laid; it tells nobody who plays."""

    desk: Desk
    open_scene: OpenScene
    say: Say
    tell_truth: Callable[[int, Fault], None]
    times: Times = field(default_factory=Times)
    rounds: list[Round] = field(default_factory=list)

    async def run(self, faults: Sequence[Fault]) -> list[Round]:
        """One round for each, until whoever is called wants no more: what is laid is healed."""
        playing = asyncio.create_task(self._play(faults))
        ended = asyncio.create_task(self.desk.until_ended())
        try:
            await asyncio.wait({playing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                self.say("ended; healing and taking it down")
        finally:
            for task in (playing, ended):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return self.rounds

    async def _play(self, faults: Sequence[Fault]) -> None:
        left = list(enumerate(faults, start=1))
        while left:
            async with self.open_scene() as scene:
                await self._welcome(scene)
                first = await scene.wait_calm(self.times.calm_within_s)
                while left:
                    if not first.came:
                        self.say(f"not calm: {'; '.join(first.left)}; a fresh one is set up")
                        break
                    number, fault = left.pop(0)
                    first = await self._round(scene, number, fault)

    async def _welcome(self, scene: Scene) -> None:
        console = scene.console
        self.say(f"console {console.address}, log in as {console.login} with {console.password}")
        await self.desk.welcome(console)

    async def _round(self, scene: Scene, number: int, fault: Fault) -> Calm:
        since = datetime.now(UTC)
        self.tell_truth(number, fault)
        async with fault.laid(scene):
            self.rounds.append(await self._called(scene, Round(number, fault), since))
        self.say("healed; waiting until it is calm")
        calm = await scene.wait_calm(self.times.calm_within_s)
        if calm.came:
            self.say(f"calm after {calm.after_s:.0f} s")
        self.rounds[-1] = replace(self.rounds[-1], calm=calm)
        return calm

    async def _called(self, scene: Scene, before: Round, since: datetime) -> Round:
        """Waits until somebody is to be called, and for what they write."""
        began = time.monotonic()
        by_incident = await self._until_called(scene, before.fault, since)
        if not by_incident and await scene.touched(since) == 0:
            self.say(f"{before.number}: void, it touched nobody")
            return before
        after_s = time.monotonic() - began
        told = datetime.now(UTC).isoformat(timespec="seconds")
        call = Call(before.number, scene.console, told, self.times.answer_within_s)
        self.say(f"{before.number}: you are called now")
        await self.desk.call(call)
        called = time.monotonic()
        answer = await self._answer(call)
        return replace(
            before,
            called_after_s=after_s,
            by_incident=by_incident,
            opened=tuple(await scene.titles(since)),
            answer=answer,
            took_s=time.monotonic() - called,
        )

    async def _until_called(self, scene: Scene, fault: Fault, since: datetime) -> bool:
        """Whether it is an incident that calls."""
        began = time.monotonic()
        while time.monotonic() - began < max(self.times.call_within_s, fault.call_after_s):
            soonest = time.monotonic() - began >= fault.call_after_s
            if soonest and await scene.opened(since):
                await asyncio.sleep(self.times.wake_s)
                return True
            await asyncio.sleep(min(LOOK_EVERY_S, self.times.call_within_s / 3))
        return False

    async def _answer(self, call: Call) -> Answer | None:
        try:
            async with asyncio.timeout(call.answer_within_s):
                return await self.desk.answer(call)
        except TimeoutError:
            self.say(f"{call.number}: nothing was written in time")
            return None


def draw(faults: Sequence[Fault], rounds: int, random: Random) -> list[Fault]:
    """So many, none twice before each has been once."""
    drawn: list[Fault] = []
    while len(drawn) < rounds:
        drawn += random.sample(list(faults), len(faults))
    return drawn[:rounds]
