"""What the command line needs of an installation; `main` provides it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from mentalspace.kernel.settings import Settings

if TYPE_CHECKING:
    from mentalspace.drills.run import DrillResult
    from mentalspace.engine.runbook import Runbooks
    from mentalspace.engine.services import Services
    from mentalspace.kernel.integration import Integration
    from mentalspace.workflows.doctor import Report, Standing
    from mentalspace.workflows.readiness import Point

Say = Callable[[str], None]


class Application(Protocol):
    """One installation. Making it reads the settings, and raises SettingsError."""

    settings: Settings

    @property
    def demo_password(self) -> str:
        """What the demo's log-ins take."""
        ...

    def prepare(self, say: Say) -> object:
        """The database up, migrated and seeded. May be called again, from any thread."""
        ...

    def stop_postgres(self) -> None:
        """Shut the embedded server down; another's is left alone."""
        ...

    def postgres_status(self) -> tuple[bool, int | None]:
        """Whether it answers, and the embedded server's pid."""
        ...

    def run_api(self) -> None: ...

    def run_worker(self) -> None: ...

    def run_sandbox(self, rooms: list[str] | None, port: int | None) -> None: ...

    def open_services(self) -> AbstractAsyncContextManager[Services]:
        """Raises NotUp when there is no database to talk to."""
        ...

    def run_drills(
        self, services: Services, selection: list[str], say: Say
    ) -> Awaitable[Sequence[DrillResult]]: ...

    def doctor(self, services: Services, room: str | None) -> Awaitable[Sequence[Report]]: ...

    def why(
        self, services: Services, person: str, verb: str, place: str
    ) -> Awaitable[Sequence[Standing]]:
        """What each of a person's roles may do with a document, and why not."""
        ...

    def readiness(self, services: Services) -> Awaitable[Sequence[Point]]: ...

    def runbooks(self) -> Runbooks: ...

    def rooms(self) -> Mapping[str, Integration]: ...

    def step_names(self) -> Collection[str]:
        """The actions that a case's steps may name."""
        ...

    def bench(self, arguments: list[str]) -> int: ...


MakeApplication = Callable[[], Application]
