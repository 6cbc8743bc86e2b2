"""Initialising a cluster, and starting and stopping its postmaster."""

from __future__ import annotations

import os
import random
import secrets
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mentalspace.engine.postgres import process
from mentalspace.engine.postgres.errors import PostgresError
from mentalspace.engine.postgres.server import Cluster, Server, answering, postmaster

Say = Callable[[str], None]

COMPLETE = "mentalspace.complete"
ATTEMPTS = 5
PROGRESS_EVERY_S = 2.0

# Below the ranges that Linux and macOS give to outgoing connections, so that it stays free.
PORTS = range(20_000, 32_000)

LOCALE = {
    16: ["--locale=C.UTF-8"],
    18: ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
}

# On the command line, where ALTER SYSTEM cannot undo them.
SETTINGS = {
    "listen_addresses":                 "127.0.0.1",
    "unix_socket_directories":          "",
    "max_connections":                  "100",
    "shared_buffers":                   "128MB",
    "fsync":                            "on",
    "timezone":                         "UTC",
    "log_timezone":                     "UTC",
    # A client's words must not reach the log: no statement, no parameter, no detail (it quotes
    # rows, and a crashed backend's query), no ERROR (its text quotes values; we get it anyway).
    "logging_collector":                "off",
    "log_checkpoints":                  "off",
    "log_statement":                    "none",
    "log_min_duration_statement":       "-1",
    "log_min_error_statement":          "panic",
    "log_min_messages":                 "log",
    "log_error_verbosity":              "terse",
    "log_parameter_max_length":         "0",
    "log_parameter_max_length_on_error": "0",
}  # fmt: skip


def initialise(cluster: Cluster, programs: Path, say: Say) -> None:
    """Make the data directory unless a complete one is there.

    It is made aside and renamed, so that half a cluster never stands in its place. A directory
    that is there without our mark is moved aside, not removed.
    """
    if cluster.data.joinpath(COMPLETE).exists():
        return
    state, name = cluster.place.state, cluster.data.name
    for abandoned in state.glob(f"{name}.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    say(f"Creating a PostgreSQL {cluster.version} database in {cluster.data}")
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=state))
    cluster.place.give(fresh)
    _initdb(cluster, programs, fresh)
    fresh.joinpath(COMPLETE).touch(exist_ok=False)
    _sync(fresh)
    if cluster.data.exists():
        aside = state / f"{name}.incomplete-{secrets.token_hex(4)}"
        cluster.data.rename(aside)
        say(f"Moved a directory that is no complete database to {aside}")
    fresh.rename(cluster.data)
    _sync(state)


def start(cluster: Cluster, programs: Path, *, timeout_s: float, say: Say) -> Server:
    """Bring the server up, or wait for one that is on its way. Call it under the lock."""
    wait = _Wait(cluster, time.monotonic(), timeout_s, say)
    for _ in range(ATTEMPTS):
        if postmaster(cluster) is not None:
            watch = None
        else:
            _clear(cluster)
            say(f"Starting PostgreSQL {cluster.version}")
            watch = _launch(cluster, programs, _free_port(cluster))
        try:
            server = wait.for_answer(watch)
        finally:
            if watch is not None:
                os.close(watch)
        if server is not None:
            _remember_port(cluster, server.port)
            return server
        say("PostgreSQL ended while starting; trying again")
        time.sleep(0.2)
    raise PostgresError(
        f"PostgreSQL {cluster.version} ended {ATTEMPTS} times while starting; "
        f"its reason stands at the end of {cluster.place.log}"
    )


def shut_down(cluster: Cluster, *, timeout_s: float) -> None:
    """Fast, then immediate, then by force; crash recovery makes each of them safe."""
    found = postmaster(cluster)
    if found is not None:
        process.send(found.pid, signal.SIGINT, still=cluster.is_postmaster)
        process.wait_gone([found.pid], still=cluster.is_postmaster, timeout_s=timeout_s)
    _clear(cluster)


@dataclass(slots=True)
class _Wait:
    cluster: Cluster
    since: float  # monotonic
    timeout_s: float
    say: Say
    said: float = 0.0  # seconds after `since`

    def for_answer(self, watch: int | None) -> Server | None:
        """The server once it answers; None if the postmaster ended instead."""
        while True:
            server = answering(self.cluster)
            if server is not None:
                return server
            if self._ended(watch):
                return None
            self._mind_the_time()

    def _ended(self, watch: int | None) -> bool:
        if watch is not None:
            return bool(select.select([watch], [], [], 0.05)[0])
        time.sleep(0.05)
        return postmaster(self.cluster) is None

    def _mind_the_time(self) -> None:
        waited = time.monotonic() - self.since
        log = self.cluster.place.log
        if waited > self.timeout_s:
            raise PostgresError(
                f"PostgreSQL {self.cluster.version} did not answer within {self.timeout_s:.0f} s; "
                f"see the end of {log}, then start again: it may still be on its way"
            )
        if waited - self.said >= PROGRESS_EVERY_S:
            self.said = waited
            self.say(f"Waiting for PostgreSQL, {waited:.0f} s of at most {self.timeout_s:.0f} s")


def _initdb(cluster: Cluster, programs: Path, target: Path) -> None:
    # initdb runs as the account, which must read the password once.
    handle, name = tempfile.mkstemp(prefix="pw-", dir=cluster.place.state)
    password_file = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(_password(cluster) + "\n")
        cluster.place.give(password_file)
        cluster.place.run(
            [
                programs / "initdb",
                f"--pgdata={target}",
                "--username=postgres",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                *LOCALE[cluster.version],
                "--data-checksums",
                "--no-instructions",
            ],
            timeout_s=600,
        )
    except subprocess.TimeoutExpired as error:
        raise PostgresError("initdb took over ten minutes; is the disk well?") from error
    finally:
        password_file.unlink()


def _password(cluster: Cluster) -> str:
    """The superuser's, made at first. One for both versions of an installation."""
    path = cluster.password_file
    if not path.exists():
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(32))
        partial.rename(path)
    return path.read_text().strip()


def _launch(cluster: Cluster, programs: Path, port: int) -> int:
    """Start the postmaster in a session of its own, child of nobody we know: neither our death
    nor a Ctrl-C in our terminal touches it.

    Returns a descriptor that becomes readable when it has ended: the postmaster holds the
    other end of a pipe. The log is opened here, so the account needs no way to it.
    """
    settings = {**SETTINGS, "port": str(port), "cluster_name": cluster.label}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command: list[str | Path] = [programs / "pg_ctl", "start", "--silent", "--no-wait"]
    command += ["--pgdata", cluster.data, "--options", shlex.join(options)]
    cluster.place.log.parent.mkdir(mode=0o700, exist_ok=True)
    ended, held = os.pipe()
    try:
        log = os.open(cluster.place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with cluster.place.command(
                command, stdout=log, stderr=log, pass_fds=[held], start_new_session=True
            ) as process_:
                process_.wait()
        finally:
            os.close(log)
    except BaseException:
        os.close(ended)
        raise
    finally:
        os.close(held)
    return ended


def _clear(cluster: Cluster) -> None:
    """End what a dead postmaster left running, then remove its pid file.

    PostgreSQL cannot do it: a reused pid looks alive to it, and a busy orphan, which still
    holds the shared memory, keeps it from starting for hours. The order keeps two servers from
    ever writing the same files.
    """
    # One that is just starting has children by the time it is ended.
    for _ in range(ATTEMPTS):
        process.end(process.find(cluster.is_mine), still=cluster.is_mine)
        if not (left := process.find(cluster.is_mine)):
            break
    else:
        raise PostgresError(f"an earlier PostgreSQL cannot be ended: process {left[0]}; end it")
    cluster.pid_file.unlink(missing_ok=True)


def _free_port(cluster: Cluster) -> int:
    """The port of last time if nobody else has it now."""
    try:
        remembered = int(cluster.port_file.read_text())
    except (FileNotFoundError, ValueError):
        remembered = 0
    if remembered and _is_free(remembered):
        return remembered
    for port in random.sample(PORTS, 200):
        if _is_free(port):
            return port
    raise PostgresError(f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does: closed connections still fading away do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _remember_port(cluster: Cluster, port: int) -> None:
    cluster.port_file.write_text(str(port))


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
