"""Keeps the database and every program running until told to stop, then ends them in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mentalspace.cli.alarm import Alarm, open_alarm
from mentalspace.cli.database_keeper import DatabaseKeeper, PreparesDatabase
from mentalspace.cli.keep import Kept, Program
from mentalspace.cli.living import Mark, mark_of
from mentalspace.cli.probe import Probe
from mentalspace.cli.run_state import RunState, Seen, forget, now_text, write
from mentalspace.kernel.errors import MentalSpaceError

GRACE_S = 10.0
LOOK_EVERY_S = 1.0


class CouldNotStart(MentalSpaceError):
    """The database could not be prepared; the text says why."""


class Watcher:
    """What a supervisor tells: override what you want to hear."""

    def say(self, text: str) -> None:
        """A sentence about something that happened. From any thread."""

    def show(self, processes: Sequence[Seen], ready: bool) -> None:
        """How everything stands, whenever it changed."""


class Supervisor:
    """`ready_url` answers 200 when the whole system is ready."""

    def __init__(
        self,
        home: Path,
        programs: Sequence[Program],
        application: PreparesDatabase,
        *,
        embedded: bool,
        ready_url: str,
        watcher: Watcher,
    ) -> None:
        self._home = home
        self._programs = programs
        self._application = application
        self._embedded = embedded
        self._ready_url = ready_url
        self._watcher = watcher
        self._since = now_text()
        self._me = _myself()
        self._shown: tuple[tuple[Seen, ...], bool] | None = None

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises CouldNotStart once all of it has ended again."""
        with open_alarm() as alarm:
            database = DatabaseKeeper(
                self._application,
                embedded=self._embedded,
                say=self._watcher.say,
                wake=alarm.wake,
            )
            kept = [Kept(program, self._home, alarm.wake) for program in self._programs]
            probe = Probe(self._ready_url, alarm.wake)
            database.begin()
            try:
                self._watch(alarm, database, kept, probe)
            finally:
                probe.end()
                self._end(alarm, database, kept)
                forget(self._home)
        if database.failure is not None:
            raise CouldNotStart(database.failure)

    def _watch(
        self, alarm: Alarm, database: DatabaseKeeper, kept: Sequence[Kept], probe: Probe
    ) -> None:
        while not alarm.stops and database.failure is None:
            for each in kept:
                if database.was_ready or not each.program.needs_database:
                    told = each.step()
                    if told is not None:
                        probe.again()
                        self._watcher.say(told)
            everything_runs = database.seen.state == "running" and all(k.running for k in kept)
            self._show(database, kept, ready=everything_runs and probe.ok)
            due_s = min((each.wait_s() for each in kept if database.was_ready), default=60.0)
            alarm.wait(min(LOOK_EVERY_S, due_s))

    def _end(self, alarm: Alarm, database: DatabaseKeeper, kept: Sequence[Kept]) -> None:
        """Whoever works on the database first, then the others, the database last."""
        for needing in (True, False):
            wave = [each for each in kept if each.program.needs_database is needing]
            self._end_wave(alarm, wave, lambda: self._show(database, kept, ready=False))
        self._show(database, kept, ready=False)
        database.end()
        self._show(database, kept, ready=False)

    def _end_wave(self, alarm: Alarm, wave: Iterable[Kept], show: Callable[[], None]) -> None:
        left = list(wave)
        for each in left:
            each.ask_to_end()
        show()
        deadline = time.monotonic() + GRACE_S
        while left := [each for each in left if not each.ended()]:
            if time.monotonic() > deadline or alarm.stops > 1:
                for each in left:
                    self._watcher.say(
                        f"{each.program.name} did not end in time; ending it by force"
                    )
                    each.force()
            else:
                alarm.wait(0.1)
        show()

    def _show(self, database: DatabaseKeeper, kept: Sequence[Kept], *, ready: bool) -> None:
        seen = (database.seen, *(each.seen for each in kept))
        if (seen, ready) != self._shown:
            self._shown = (seen, ready)
            with suppress(OSError):  # a full disk is no reason to end everything
                write(self._home, RunState(self._me, self._since, seen))
            self._watcher.show(seen, ready)


def _myself() -> Mark:
    mine = mark_of(os.getpid())
    assert mine is not None
    return mine
