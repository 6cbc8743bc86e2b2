"""The real installation, as the director sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random

from tests.exercise import calm
from tests.exercise.stage import Stage, open_stage

# From nothing: three practices, each with something of every room.
_FLOWS_WITHIN_S = 300.0


class NothingFlows(Exception):
    """The day of a practice does not begin: nothing could be learnt of any fault."""


@dataclass(frozen=True, slots=True)
class RealScene(Stage):
    async def wait_calm(self, within_s: float) -> calm.Calm:
        return await calm.wait_calm(self, within_s)

    async def opened(self, since: datetime) -> bool:
        return await calm.opened(self, since) is not None

    async def touched(self, since: datetime) -> int | None:
        return await calm.touched(self, since)

    async def titles(self, since: datetime) -> list[str]:
        return await calm.titles(self, since)


@asynccontextmanager
async def open_scene(random: Random) -> AsyncIterator[RealScene]:
    """Up and with a day under way. Raises NothingFlows."""
    async with open_stage(random) as stage:
        if not await calm.flowing(stage, _FLOWS_WITHIN_S):
            raise NothingFlows(f"after {_FLOWS_WITHIN_S:.0f} s a room has brought nothing")
        yield RealScene(stage.installation, stage.services)
