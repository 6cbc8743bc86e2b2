"""Starts everything and stays, or hands it to a process of its own."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mentalspace.cli.application import Application
from mentalspace.cli.ask import log_to_file
from mentalspace.cli.keep import Program
from mentalspace.cli.living import end, wait_gone
from mentalspace.cli.probe import is_free, ready_url
from mentalspace.cli.run_state import Seen, already_up, hold, is_held, log_file, read
from mentalspace.cli.screen import Screen
from mentalspace.cli.supervise import CouldNotStart, Supervisor, Watcher
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.settings import SANDBOX_PORTS, Settings

READY_WITHIN_S = 60.0
END_WITHIN_S = 45.0

LOG_INS = (
    ("admin@demo.example", "administrator"),
    ("oncall@demo.example", "on call"),
    ("frontdesk@demo.example", "front desk"),
    ("clinician@demo.example", "clinician"),
    ("biller@demo.example", "biller"),
)


class PortTaken(MentalSpaceError):
    pass


class Announcer(Watcher):
    """Passes everything on, and says once that all is ready."""

    def __init__(self, inner: Screen, when_ready: Callable[[], None]) -> None:
        self._inner = inner
        self._when_ready: Callable[[], None] | None = when_ready

    def say(self, text: str) -> None:
        self._inner.say(text)

    def show(self, processes: Sequence[Seen], ready: bool) -> None:
        if ready and self._when_ready is not None:
            self._when_ready()
            self._when_ready = None
        self._inner.show(processes, ready)


def stay_up(application: Application, *, tell: int | None) -> None:
    """Supervise until told to stop. `tell` is a descriptor to say `ready` on.

    Raises AlreadyUp, PortTaken or CouldNotStart before, or instead of, staying.
    """
    began = time.monotonic()
    settings = application.settings
    screen = Screen(sys.stdout)

    def ready() -> None:
        screen.block(welcome(application, time.monotonic() - began, attached=tell is None))
        if tell is not None:
            _tell(tell, "ready")

    with hold(settings.home):
        log_to_file(application, "up")
        end_leftovers(settings.home)
        programs = _programs(settings, with_sandbox=not settings.is_production)
        _check_ports(settings, programs)
        supervisor = Supervisor(
            settings.home,
            programs,
            application,
            embedded=settings.database_url is None,
            ready_url=ready_url(settings),
            watcher=Announcer(screen, ready),
        )
        try:
            supervisor.run()
        finally:
            screen.close()


def detach(application: Application) -> str:
    """Start the supervisor in a session of its own; the welcome, once all is ready.

    Raises CouldNotStart with the reason, and leaves nothing running, if it is not in a minute.
    """
    settings = application.settings
    if is_held(settings.home):
        raise already_up(settings.home)
    reader, writer = os.pipe()
    log = log_file(settings.home, "up")
    began = time.monotonic()
    child = subprocess.Popen(
        [*command("up"), "--tell", str(writer)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[writer],
        start_new_session=True,
    )
    os.close(writer)
    os.close(log)
    told = _listen(reader, began + READY_WITHIN_S)
    os.close(reader)
    if told == "ready":
        # It outlives us on purpose.
        child.returncode = 0
        return welcome(application, time.monotonic() - began, attached=False)
    where = f"see {settings.logs / 'up.log'}"
    if told:
        child.wait()
        raise CouldNotStart(told)
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(END_WITHIN_S)
        raise CouldNotStart(f"not ready within {READY_WITHIN_S:.0f} s, so it was ended; {where}")
    raise CouldNotStart(f"it ended with status {child.returncode} before it was ready; {where}")


def tell_failure(tell: int, error: MentalSpaceError) -> None:
    """Let the process that waits for us know why it waits in vain."""
    _tell(tell, str(error))


def bring_down(application: Application, say: Callable[[str], None]) -> bool:
    """Stop the supervisor and everything it left. False if there was nothing to stop."""
    home = application.settings.home
    state = read(home)
    if is_held(home):
        if state is None or not state.supervisor.alive:
            raise MentalSpaceError("a start is under way; try again in a moment")
        say("stopping")
        state.supervisor.send(signal.SIGTERM)
        if wait_gone([state.supervisor], timeout_s=END_WITHIN_S):
            raise MentalSpaceError(
                f"process {state.supervisor.pid} did not end within {END_WITHIN_S:.0f} s; "
                f"see {application.settings.logs}"
            )
        return True
    with hold(home):
        found = end_leftovers(home)
        if application.settings.database_url is None and application.postgres_status()[0]:
            application.stop_postgres()
            found = True
    return found


def end_leftovers(home: Path) -> bool:
    """End what a killed supervisor left behind. Call it as the only supervisor."""
    state = read(home)
    if state is None:
        return False
    marks = [seen.mark for seen in state.processes if seen.name != "postgres" and seen.mark]
    alive = [mark for mark in marks if mark.alive]
    end(alive, grace_s=12)
    return bool(alive)


def command(*words: str) -> list[str]:
    """How this very installation is called."""
    return [sys.executable, "-m", "mentalspace", *words]


def sandbox_alive_url(settings: Settings) -> str:
    return f"{settings.sandbox_url}/_control/healthz"


def welcome(application: Application, seconds: float, *, attached: bool) -> str:
    """What a person needs to begin."""
    settings = application.settings
    lines = [
        "",
        f"MentalSpace is up ({settings.mode}), ready after {seconds:.1f} s",
        "",
        f"  Console    {settings.site_url}",
    ]
    if not settings.is_production:
        password = application.demo_password
        if settings.demo_password:
            password = "as MENTALSPACE_DEMO_PASSWORD says"  # noqa: S105
        lines.append(f"  Sandboxes  {settings.sandbox_url}")
        labels = ["Log in as", *[""] * (len(LOG_INS) - 1)]
        lines += [
            f"  {label:<9}  {email:<24}{role}"
            for label, (email, role) in zip(labels, LOG_INS, strict=True)
        ]
        lines.append(f"  Password   {password}")
    end_it = "Ctrl-C stops all of it." if attached else "`mentalspace down` stops all of it."
    return "\n".join([*lines, f"  Logs       {settings.logs}", "", end_it, ""])


def _programs(settings: Settings, *, with_sandbox: bool) -> list[Program]:
    sandbox = Program(
        "sandbox",
        tuple(command("sandbox", "--supervised")),
        alive_url=sandbox_alive_url(settings),
        needs_database=False,
    )
    return [
        *([sandbox] if with_sandbox else []),
        Program("worker", tuple(command("worker", "--supervised"))),
        Program(
            "api",
            tuple(command("serve", "--supervised")),
            alive_url=f"http://127.0.0.1:{settings.port}/healthz",
        ),
    ]


def _check_ports(settings: Settings, programs: Sequence[Program]) -> None:
    with_sandbox = any(program.name == "sandbox" for program in programs)
    ports = {settings.port, *(settings.sandbox_ports if with_sandbox else ())}
    taken = sorted(port for port in ports if not is_free(port))
    if taken:
        listed = " and ".join(map(str, taken))
        raise PortTaken(
            f"port{'s' if len(taken) > 1 else ''} {listed} of 127.0.0.1 already in use; "
            "end what listens there, or set MENTALSPACE_PORT to another; "
            f"the sandboxes take the {SANDBOX_PORTS} after it"
        )


def _tell(descriptor: int, text: str) -> None:
    with suppress(OSError):  # nobody may be listening any more
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _listen(reader: int, deadline: float) -> str:
    """Everything said before the other end closed; nothing if that takes too long."""
    said = b""
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([reader], [], [], left_s)[0]:
            break
        chunk = os.read(reader, 4096)
        if not chunk:
            return said.decode()
        said += chunk
    return ""
