"""The worker: works lanes and inboxes, dispatches, evaluates, pages, and beats its heart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mentalspace.engine.alarm import Alarm
from mentalspace.engine.alert_history import forget_changes
from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.db import Database
from mentalspace.engine.dispatch import dispatch, purge_payloads
from mentalspace.engine.inbox import Inbox
from mentalspace.engine.lane import LaneWorker
from mentalspace.engine.log import get_logger
from mentalspace.engine.loops import Loops
from mentalspace.engine.pager import Pager
from mentalspace.engine.process import BEAT_EVERY_S, beat, follow_clock, repeat
from mentalspace.engine.pulse import beating
from mentalspace.engine.queue import Queue, run_queue
from mentalspace.engine.silence import SilenceKeeper
from mentalspace.engine.watchman import LOOK_EVERY_S, Watchman
from mentalspace.kernel.clock import OffsetClock

DISPATCH_EVERY_S = 0.5
EVALUATE_EVERY_S = 1.0
PAGE_EVERY_S = 1.0
SILENCE_EVERY_S = 5.0
ALARM_EVERY_S = 5.0
PURGE_EVERY_S = 600.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """`chores` are further jobs by name and interval, which `main` adds. `heart` is a database of
    its own: whatever the loops wait for, the heart beats and says so."""

    database: Database
    heart: Database
    login_url: str
    queue: Queue
    lanes: LaneWorker
    inbox: Inbox
    evaluator: Evaluator
    pager: Pager
    alarm: Alarm
    silence: SilenceKeeper
    clock: OffsetClock
    chores: Mapping[str, tuple[float, Callable[[], Awaitable[object]]]]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what is in hand is finished first."""
        name = self.lanes.name
        log.info("worker_started", worker=name)
        # The heart outlives the hand: claims must not look lost while they are being finished.
        finished, loops = asyncio.Event(), Loops()
        async with asyncio.TaskGroup() as group:
            for task_name, (every_s, work) in self._loops().items():
                group.create_task(repeat(task_name, every_s, work, stop, loops))
            group.create_task(
                repeat(
                    "beat",
                    BEAT_EVERY_S,
                    lambda: beat(self.heart, name, "worker", loops),
                    finished,
                )
            )
            group.create_task(self._end_turns(stop))
            await run_queue(
                self.login_url,
                {"lane": self.lanes.work, "inbox": self.inbox.process},
                stop=stop,
            )
            finished.set()
        log.info("worker_stopped", worker=name)

    async def _end_turns(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.lanes.stopping.set()

    def _loops(self) -> dict[str, tuple[float, Callable[[], Awaitable[object]]]]:
        watchman = Watchman(self.database, self.pager.runbooks.escalation, self.pager.tick)
        return {
            "dispatch": (
                DISPATCH_EVERY_S,
                self._beating("dispatch", lambda: dispatch(self.database, self.queue)),
            ),
            "clock": (DISPATCH_EVERY_S, lambda: follow_clock(self.database, self.clock)),
            "evaluate": (EVALUATE_EVERY_S, self._beating("evaluate", self.evaluator.tick)),
            "page": (PAGE_EVERY_S, self._beating("page", self.pager.tick)),
            "alarm": (ALARM_EVERY_S, self.alarm.tick),
            "watch": (LOOK_EVERY_S, watchman.tick),
            "silence": (SILENCE_EVERY_S, self.silence.tick),
            "purge": (PURGE_EVERY_S, lambda: purge_payloads(self.database)),
            "forget": (PURGE_EVERY_S, lambda: forget_changes(self.database)),
            **self.chores,
        }

    def _beating(
        self, name: str, work: Callable[[], Awaitable[object]]
    ) -> Callable[[], Awaitable[object]]:
        return beating(self.database, name, work)
