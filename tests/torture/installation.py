"""A whole MentalSpace as real processes in a home of its own, gone without a trace afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from mentalspace.cli.living import Mark, mark_of
from mentalspace.engine import postgres
from mentalspace.engine.db import CONNECTION_LOST
from mentalspace.main import MentalSpace
from tests.house import free_ports

# What a database that is killed under our hands raises, and no more: a question that it does not
# understand is our own fault.
AWAY = (*CONNECTION_LOST, asyncpg.exceptions.TransactionRollbackError)

START_WITHIN_S = 120.0
STOP_WITHIN_S = 90.0

# What must stand in a victim's command line: a status that lies must not cost a stranger's life.
_COMMAND_WORD = {"worker": "worker", "api": "serve", "sandbox": "sandbox", "postgres": "postgres"}


class Refusal(Exception):
    """A command of the installation failed; the text is its last line."""


@dataclass(frozen=True, slots=True)
class Installation:
    app: MentalSpace
    environment: dict[str, str]
    http: aiohttp.ClientSession

    @property
    def home(self) -> Path:
        return self.app.settings.home

    async def command(self, *words: str, within_s: float) -> str:
        """The output of one `mentalspace` command. Raises Refusal if it fails or takes too long."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mentalspace",
            *words,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), within_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Refusal(f"`mentalspace {words[0]}` took more than {within_s:.0f} s") from None
        if process.returncode:
            last = (err.decode().strip().splitlines() or ["no output"])[-1]
            raise Refusal(f"`mentalspace {words[0]}` ended with {process.returncode}: {last}")
        return out.decode()

    async def victim(self, name: str) -> Mark | None:
        """The living process that `status --json` gives for this name, and its start time."""
        status = json.loads(await self.command("status", "--json", within_s=30))
        pids = [p["pid"] for p in status["processes"] if p["name"] == name and p["pid"]]
        mark = mark_of(pids[0]) if pids else None
        if mark is None or _COMMAND_WORD[name] not in _command_line(mark.pid):
            return None
        return mark

    async def answers(self, url: str) -> bool:
        """Whether a GET is answered 200 at this moment."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.get(url, timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return answer.status == 200
        return False

    async def ready(self) -> bool:
        """API, database and worker by their own word, and the sandboxes."""
        return await self.answers(self.ready_url) and await self.answers(self.sandbox_alive_url)

    @property
    def ready_url(self) -> str:
        return f"http://127.0.0.1:{self.app.settings.port}/readyz"

    @property
    def sandbox_alive_url(self) -> str:
        return f"{self.app.settings.sandbox_url}/_control/healthz"


def kill(mark: Mark) -> None:
    """SIGKILL, unless the pid is somebody else's by now."""
    mark.send(signal.SIGKILL)


@asynccontextmanager
async def installed(**settings: str) -> AsyncIterator[Installation]:
    """`mentalspace up --detach` in a temporary home, with these settings; taken down and destroyed
    whatever happens."""
    with tempfile.TemporaryDirectory(prefix="mentalspace-torture-") as directory:
        home = Path(directory)
        environment = {**_environment(home), **settings}
        try:
            async with aiohttp.ClientSession() as http:
                installation = Installation(MentalSpace(environment), environment, http)
                await installation.command("up", "--detach", within_s=START_WITHIN_S)
                try:
                    yield installation
                finally:
                    with contextlib.suppress(Refusal):
                        await installation.command("down", within_s=STOP_WITHIN_S)
        finally:
            await asyncio.to_thread(postgres.destroy, home)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's own settings: no live key, no other database."""
    ours = ("MENTALSPACE_", "RESEND_", "DATABASE_URL", "EMAIL_", "SITE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "MENTALSPACE_HOME": str(home),
        "MENTALSPACE_PORT": str(free_ports()),
        "MENTALSPACE_DEMO_DAY": "off",
    }


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def logs_of(installation: Installation) -> dict[str, str]:
    """Every log file's text by its name."""
    found = sorted(installation.app.settings.logs.glob("*.log"))
    return {path.name: path.read_text(errors="replace") for path in found}


def public(value: Any) -> str:
    """One JSON line."""
    return json.dumps(value, sort_keys=True)
