"""Has one process ended and started again by whoever keeps it, even if it hangs."""

from __future__ import annotations

import time
from pathlib import Path

from mentalspace.cli.living import Mark, end
from mentalspace.cli.run_state import is_held, read
from mentalspace.kernel.errors import MentalSpaceError, Refused

GRACE_S = 12.0
BACK_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.2


def restart(home: Path, name: str, *, grace_s: float = GRACE_S) -> str:
    """Ask it to end, force it after the grace, and wait until another runs in its place; a sentence
    about it. Raises Refused for the database, and where no supervisor keeps it."""
    if name == "postgres":
        raise Refused("not_alone", "the database is everybody's: mentalspace down, then up")
    before = _mark(home, name)
    if before is None or not is_held(home):
        text = f"no {name} is kept running here by `mentalspace up`; restart it where it runs"
        raise Refused("not_kept_here", text)
    end([before], grace_s=grace_s)
    ends = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < ends:
        now = _mark(home, name)
        if now is not None and now != before and now.alive:
            return f"{name} was ended (pid {before.pid}) and runs again (pid {now.pid})"
        time.sleep(_LOOK_EVERY_S)
    raise MentalSpaceError(
        f"{name} was ended (pid {before.pid}) and does not run again; read logs/{name}.log"
    )


def _mark(home: Path, name: str) -> Mark | None:
    state = read(home)
    found = [seen.mark for seen in state.processes if seen.name == name] if state else []
    return found[0] if found else None
