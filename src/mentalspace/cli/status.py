"""How the installation stands now, from what the supervisor wrote and what answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mentalspace.cli.application import Application
from mentalspace.cli.probe import answers, ready_url, tells
from mentalspace.cli.run_state import RunState, Seen, is_held, now_text, read
from mentalspace.kernel.settings import Settings

NAMES = ("postgres", "sandbox", "worker", "api")


@dataclass(frozen=True, slots=True)
class Standing:
    """`reason` says in a few words why it is not ready; `alarm` is "ok", or what keeps pages from
    people, or None where nobody could be asked."""

    ready: bool
    reason: str | None
    processes: tuple[Seen, ...]
    state: RunState | None
    settings: Settings
    alarm: str | None = None

    def public(self) -> dict[str, Any]:
        """What `status --json` prints."""
        up = self.state
        return {
            "ready": self.ready,
            "reason": self.reason,
            "alarm": self.alarm,
            "processes": [seen.public() for seen in self.processes],
            "supervisor": {"pid": up.supervisor.pid, "since": up.since} if up else None,
            "mode": self.settings.mode.value,
            "url": f"http://127.0.0.1:{self.settings.port}",
            "sandbox_url": self.settings.sandbox_url,
            "sandbox_ports": list(self.settings.sandbox_ports),
            "home": str(self.settings.home),
        }


def look(application: Application) -> Standing:
    """Believes no file: pids are verified, and readiness is asked."""
    settings = application.settings
    state = read(settings.home)
    if state is None or not is_held(settings.home) or not state.supervisor.alive:
        return Standing(False, "not up here", _without_supervisor(application), None, settings)
    processes = tuple(_verified(seen) for seen in state.processes)
    reason = _why_not_ready(settings, processes)
    alarm = tells(ready_url(settings), "alarm")
    return Standing(reason is None, reason, processes, state, settings, alarm)


def lines(standing: Standing) -> list[str]:
    """The same for a person."""
    head = "ready" if standing.ready else f"not ready: {standing.reason}"
    rows = [f"MentalSpace is {head}"]
    if standing.alarm not in (None, "ok"):
        rows.append(f"ALARM: {standing.alarm}")
    rows.append("")
    for seen in standing.processes:
        pid = f"pid {seen.mark.pid}" if seen.mark else ""
        plural = "" if seen.restarts == 1 else "s"
        again = f", {seen.restarts} restart{plural}" if seen.restarts else ""
        rows.append(f"  {seen.name:<10}{seen.state:<13}{pid:<13}since {seen.since}{again}")
    settings = standing.settings
    if not settings.is_production:
        ports = settings.sandbox_ports
        others = f"{ports[1]} to {ports[-1]}"
        rows += ["", f"  Sandboxes {settings.sandbox_url}, and what is not HTTP on ports {others}"]
    return [*rows, "", f"  Logs      {settings.logs}"]


def _why_not_ready(settings: Settings, processes: Sequence[Seen]) -> str | None:
    not_running = [seen for seen in processes if seen.state != "running"]
    if not_running:
        return ", ".join(f"{seen.name} is {seen.state}" for seen in not_running)
    http = answers(ready_url(settings))
    if http != 200:
        if http is None:
            return f"nothing answers on port {settings.port}; was it started with another one?"
        return f"/readyz answers {http}"
    return None


def _verified(seen: Seen) -> Seen:
    """Its death may be younger than the supervisor's last word."""
    if seen.mark is not None and not seen.mark.alive:
        return replace(seen, state="stopped", mark=None)
    return seen


def _without_supervisor(application: Application) -> tuple[Seen, ...]:
    """Nothing should run; PostgreSQL may, and so may what a killed supervisor left."""
    state = read(application.settings.home)
    known = {seen.name: seen for seen in state.processes} if state else {}
    now = now_text()
    found = [_verified(known.get(name, Seen(name, "stopped", now))) for name in NAMES]
    if application.postgres_status()[0] and found[0].mark is None:
        found[0] = Seen("postgres", "running", now)
    return tuple(found)
