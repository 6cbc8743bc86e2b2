"""The steady state: a message through a healthy account arrives, and no drill left anything."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mentalspace.drills.stage import Stage, open_stage
from mentalspace.engine.db import connect_owner
from mentalspace.engine.runbook import Drill, Expect
from mentalspace.engine.services import Services
from mentalspace.workflows.drill_acts import DRILL_SENDS, WELL, DrillSend, send_samples
from mentalspace.workflows.sandbox_keeping import call_sandbox

WITHIN_S = 40.0
LOOK_EVERY_S = 0.1
# Before a drill a look of a moment ago will do; after it only one that began then.
FRESH_S = 5.0

_LEFT = """
select (select count(*) from incident where drill = $1 and status <> 'resolved') as incidents,
       (select count(*) from delivery
         where drill = $1 and status in ('pending', 'due', 'held')) as messages,
       (select count(*) from credential where drill = $1 and active) as credentials
"""


@dataclass(frozen=True, slots=True)
class Look:
    """`began` is of the monotonic clock."""

    began: float
    held: bool
    text: str


class Steady:
    """One healthy account a provider, shared by the drills of an occasion. `close` when done."""

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self._name = name
        self._stages: dict[tuple[str, str | None], Stage] = {}
        self._turns: dict[tuple[str, str | None], asyncio.Lock] = {}
        self._last: dict[tuple[str, str | None], Look] = {}
        self._sent = self._opened = 0

    async def before(self, room: str, provider: str | None) -> Look:
        return await self._look(room, provider, time.monotonic() - FRESH_S)

    async def after(self, room: str, provider: str | None) -> Look:
        return await self._look(room, provider, time.monotonic())

    async def close(self) -> None:
        for stage in self._stages.values():
            await stage.close()
            async with connect_owner(self._services.admin_url) as owner:
                await owner.execute(
                    "update delivery set status = 'cancelled' where credential_id = $1"
                    " and status in ('pending', 'due', 'held')",
                    stage.credential_id,
                )
        self._stages.clear()

    async def _look(self, room: str, provider: str | None, since: float) -> Look:
        """The latest that began after `since`; whoever waits for the same shares one."""
        key = (room, provider)
        async with self._turns.setdefault(key, asyncio.Lock()):
            last = self._last.get(key)
            if last is None or last.began < since:
                last = self._last[key] = await self._send(key)
            return last

    async def _send(self, key: tuple[str, str | None]) -> Look:
        began = time.monotonic()
        try:
            stage = self._stages.get(key)
            if stage is None:
                drill = _healthy(*key)
                # Those of one moment are none of each other's.
                self._opened += 1
                name = f"{self._name}-steady-{self._opened}"
                stage = self._stages[key] = await open_stage(self._services, drill, name)
            title, status = stage.provider.title, await self._sent_one(stage)
        except Exception as error:
            return Look(began, False, f"it could not be looked at: {type(error).__name__}")
        seconds = time.monotonic() - began
        if status in ("accepted", "delivered"):
            text = f"a message through a healthy account of {title} went out in {seconds:.1f} s"
            return Look(began, True, text)
        text = f"a message through a healthy account of {title} is {status} after {seconds:.1f} s"
        return Look(began, False, text)

    async def _sent_one(self, stage: Stage) -> str:
        """What has become of one message, at the latest after `WITHIN_S`."""
        self._sent += 1
        run_id = f"{stage.run_id}-{self._sent}"
        room = stage.drill.room
        send = DrillSend(
            practice_id=stage.practice_id,
            credential_id=stage.credential_id,
            run_id=run_id,
            integration=room,
            to=WELL.get(room) or _usual_recipient(self._services, room),
            count=1,
            guard=True,
        )
        await DRILL_SENDS.get(room, send_samples)(self._services, send)
        ends = time.monotonic() + WITHIN_S
        while True:
            async with self._services.database.as_dispatcher() as connection:
                row = await connection.fetchrow(
                    "select status, attempts from delivery where drill = $1", run_id
                )
            if row is None:
                return "not written"
            status: str = row["status"]
            tried = row["attempts"] > 0 and status != "sending"
            if tried or status in ("accepted", "delivered") or time.monotonic() > ends:
                return status
            await asyncio.sleep(LOOK_EVERY_S)


async def leftovers(stage: Stage) -> list[str]:
    """What a closed drill left behind, in words; nothing if all is well."""
    faults = await call_sandbox(stage.services, "GET", "/faults")
    async with stage.services.database.as_oncall() as connection:
        row = await connection.fetchrow(_LEFT, stage.run_id)
    assert row is not None
    left = {"faults": sum(fault["account"] in stage.accounts for fault in faults), **row}
    return [f"{number} {name} of the drill are left" for name, number in left.items() if number]


def _healthy(room: str, provider: str | None) -> Drill:
    """A drill that arranges nothing."""
    return Drill(
        id=f"{room}/steady_state",
        room=room,
        name="steady_state",
        title="Nothing is broken",
        seed=(),
        cases=(),
        timeout_s=WITHIN_S,
        provider=provider,
        arrange=(),
        act=(),
        expect=Expect(),
        recover=(),
        recovered=Expect(),
        path=Path(),
    )


def _usual_recipient(services: Services, room: str) -> str:
    """Whom most drills of the room write to. LookupError where there is no drill."""
    named = [
        str(action.params["to"]).format(n=1)
        for drill in services.runbooks.room(room).drills
        for action in drill.act
    ]
    if not named:
        raise LookupError(f"no drill of {room} writes to anybody")
    return Counter(named).most_common(1)[0][0]
