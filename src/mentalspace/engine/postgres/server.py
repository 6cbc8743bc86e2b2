"""One database cluster on disk, and whether a healthy server answers for it."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import asyncpg

from mentalspace.engine.postgres import process
from mentalspace.engine.postgres.errors import PostgresError
from mentalspace.engine.postgres.place import Place

Version = Literal[16, 18]

ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A healthy server. `url` is the superuser's and carries the password."""

    url: str = field(repr=False)
    port: int
    pid: int  # the postmaster's
    version: int
    data_dir: Path


@dataclass(frozen=True, slots=True)
class Cluster:
    place: Place
    version: Version

    @property
    def data(self) -> Path:
        return self.place.state / f"data-{self.version}"

    @property
    def password_file(self) -> Path:
        return self.place.notes / "password"

    @property
    def port_file(self) -> Path:
        return self.place.notes / f"port-{self.version}"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def label(self) -> str:
        """Stands in the title of every process of this cluster, and of no other."""
        digest = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        return f"mentalspace-{self.version}-{digest}"

    def is_postmaster(self, command_line: str) -> bool:
        program, flag, rest = command_line.partition(" -D ")
        return (
            bool(flag) and program.endswith("/postgres") and f"{rest} ".startswith(f"{self.data} ")
        )

    def is_mine(self, command_line: str) -> bool:
        """Whether the process is the postmaster or any child of it."""
        child = command_line.startswith(f"postgres: {self.label}:")
        return child or self.is_postmaster(command_line)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What the pid file says of a living postmaster."""

    pid: int
    port: int
    ready: bool


def postmaster(cluster: Cluster) -> Postmaster | None:
    """The living postmaster of this cluster, if the pid file truly names one."""
    try:
        lines = cluster.pid_file.read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    text = process.command_line(pid)
    if text is None or not cluster.is_postmaster(text):
        return None
    return Postmaster(pid, port, ready=len(lines) > 7 and lines[7].strip() == "ready")


def answering(cluster: Cluster) -> Server | None:
    """The server, if it answers a query over the wire. A pid proves nothing."""
    found = postmaster(cluster)
    if found is None or not found.ready:
        return None
    try:
        password = cluster.password_file.read_text().strip()
    except FileNotFoundError:
        raise PostgresError(f"{cluster.password_file} is missing; restore it") from None
    # A thread of its own, so that a caller inside an event loop may ask too.
    with ThreadPoolExecutor(max_workers=1) as pool:
        data = pool.submit(asyncio.run, _ask(cluster, found.port, password)).result()
    if data != str(cluster.data):
        return None
    url = f"postgresql://postgres:{password}@127.0.0.1:{found.port}/postgres"
    return Server(url, found.port, found.pid, cluster.version, cluster.data)


async def _ask(cluster: Cluster, port: int, password: str) -> str | None:
    """Which data directory the server at that port serves; None without an answer in time."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=port,
                user="postgres",
                password=password,
                database="postgres",
                ssl=False,
            )
            try:
                return str(await connection.fetchval("select current_setting('data_directory')"))
            finally:
                connection.terminate()
    except asyncpg.InvalidPasswordError:
        raise PostgresError(
            f"the password in {cluster.password_file} is not the server's; restore it"
        ) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None
