"""The database, prepared at the start and brought back whenever it stops answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from mentalspace.cli.living import Mark, mark_of
from mentalspace.cli.run_state import Seen, now_text
from mentalspace.kernel.errors import MentalSpaceError

LOOK_EVERY_S = 0.2
ASK_EVERY_S = 5.0
LONGEST_WAIT_S = 30.0


class PreparesDatabase(Protocol):
    """The part of an Application that this needs."""

    def prepare(self, say: Callable[[str], None]) -> object: ...

    def stop_postgres(self) -> None: ...

    def postgres_status(self) -> tuple[bool, int | None]: ...


class DatabaseKeeper:
    """Works in a thread of its own; others read `seen`, `was_ready` and `failure`."""

    def __init__(
        self,
        application: PreparesDatabase,
        *,
        embedded: bool,
        say: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        self._application = application
        self._embedded = embedded
        self._say = say
        self._wake = wake
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)
        self.seen = Seen("postgres", "starting", now_text())
        self.was_ready = False
        self.failure: str | None = None  # why the very first preparation failed

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Wait for what is under way, then shut an embedded server down."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._embedded:
            self._become("stopping", mark=self.seen.mark)
            self._application.stop_postgres()
        self._become("stopped")

    def _run(self) -> None:
        try:
            self._application.prepare(self._say)
        except Exception as error:
            self.failure = _why(error)
            self._wake()
            return
        self._answered()
        asked_at = time.monotonic()
        while not self._stop.wait(LOOK_EVERY_S):
            gone = self.seen.mark is not None and not self.seen.mark.alive
            if gone or time.monotonic() - asked_at > ASK_EVERY_S:
                asked_at = time.monotonic()
                self._look(gone)

    def _look(self, gone: bool) -> None:
        if not gone and self._status()[0]:
            return
        self._become("restarting" if self._embedded else "unreachable", self.seen.restarts + 1)
        how = "starting it again" if self._embedded else "waiting for it"
        self._say(f"PostgreSQL does not answer; {how}")
        if self._bring_back():
            self._answered()
            self._say("PostgreSQL answers again")

    def _bring_back(self) -> bool:
        """Until it answers; False if we are to stop before that."""
        wait_s = 0.5
        while not self._stop.is_set():
            try:
                if self._embedded:
                    self._application.prepare(lambda _line: None)
                    return True
                elif self._status()[0]:
                    return True
            except Exception as error:
                self._say(f"PostgreSQL is not back yet: {_why(error)}")
            self._stop.wait(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)
        return False

    def _answered(self) -> None:
        pid = self._status()[1]
        self.was_ready = True
        self._become("running", mark=mark_of(pid) if pid else None)

    def _status(self) -> tuple[bool, int | None]:
        """A question that fails is an answer too: this thread must live on."""
        try:
            return self._application.postgres_status()
        except Exception:
            return False, None

    def _become(self, state: str, restarts: int | None = None, mark: Mark | None = None) -> None:
        restarts = self.seen.restarts if restarts is None else restarts
        self.seen = Seen("postgres", state, now_text(), mark, restarts)
        self._wake()


def _why(error: Exception) -> str:
    text = str(error) if isinstance(error, MentalSpaceError) else str(error).split("\n")[0]
    return text if isinstance(error, MentalSpaceError) else f"{type(error).__name__}: {text}"
