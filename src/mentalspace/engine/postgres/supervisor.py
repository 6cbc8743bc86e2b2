"""The embedded PostgreSQL as the rest of the house asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mentalspace.engine.postgres import binaries, cluster
from mentalspace.engine.postgres.place import existing_place, locked, make_place, remove_place
from mentalspace.engine.postgres.server import Cluster, Server, Version, answering


def ensure_running(
    home: Path,
    *,
    version: Version = 18,
    timeout_s: float = 60,
    say: Callable[[str], None] = lambda _text: None,
) -> Server:
    """Initialise if new, start if needed, and return only when the server answers a query.

    Any number of processes may call it at once, and again at any time. `say` hears progress in
    plain sentences. Raises PostgresError when there is no healthy server within `timeout_s`
    (initialising not counted); a slow one keeps starting, and the next call adopts it.
    """
    home = home.resolve()
    with locked(home, timeout_s=timeout_s):
        wanted = Cluster(make_place(home), version)
        server = answering(wanted)
        if server is None:
            programs = binaries.programs(wanted.place, version)
            cluster.initialise(wanted, programs, say)
            server = cluster.start(wanted, programs, timeout_s=timeout_s, say=say)
        return server


def running(home: Path, *, version: Version = 18) -> Server | None:
    """The server if it answers now. Starts nothing and waits for nobody."""
    place = existing_place(home.resolve())
    return None if place is None else answering(Cluster(place, version))


def stop(home: Path, *, version: Version = 18, timeout_s: float = 20) -> None:
    """Shut down, ending open transactions; does nothing when not running.

    After `timeout_s` it is ended at once, which costs only a recovery at the next start.
    """
    home = home.resolve()
    if existing_place(home) is None:
        return
    with locked(home, timeout_s=timeout_s + 60):
        place = existing_place(home)
        if place is not None:
            cluster.shut_down(Cluster(place, version), timeout_s=timeout_s)


def destroy(home: Path) -> None:
    """Stop the servers and remove their data, and the account made for them. For tests."""
    home = home.resolve()
    for version in (16, 18):
        stop(home, version=version)
    place = existing_place(home)
    if place is not None:
        remove_place(place)
