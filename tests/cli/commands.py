"""The `mentalspace` command as a person calls it: a process of its own."""

from __future__ import annotations

import atexit
import base64
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import MASTER_KEY
from tests.house import free_ports

PROGRAM = Path(sys.executable).with_name("mentalspace")


def environment_of(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the caller's own MentalSpace reaches the command."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "MENTALSPACE_HOME": str(home),
        "MENTALSPACE_PORT": str(free_ports()),
        "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(MASTER_KEY).decode(),
        "MENTALSPACE_JWT_SECRET": "j" * 40,
        "MENTALSPACE_DEMO_DAY": "off",
        **more,
    }


def mentalspace(
    environment: Mapping[str, str], *words: str, typed: str = "", timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """One call to its end, in a process of its own that was loaded before; see forks.py."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as complained,
        socket.socket(socket.AF_UNIX) as line,
    ):
        given.write(typed.encode())
        given.seek(0)
        line.settimeout(timeout_s)
        line.connect(_loaded())
        call = json.dumps(
            {
                "words": [str(PROGRAM), *words],
                "environment": dict(environment),
                "directory": str(Path.cwd()),
            }
        ).encode()
        fds = [given.fileno(), said.fileno(), complained.fileno()]
        socket.send_fds(line, [len(call).to_bytes(8)], fds)
        line.sendall(call)
        code = int(line.recv(16))
        said.seek(0)
        complained.seek(0)
        return subprocess.CompletedProcess(
            words, code, said.read().decode(), complained.read().decode()
        )


@functools.cache
def _loaded() -> str:
    """Where the loaded program listens, from the first call until these tests end."""
    home = tempfile.mkdtemp(prefix="mentalspace-forks-")
    where = f"{home}/door"
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forks", where],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert program.stdin is not None

    def end() -> None:
        program.communicate()
        shutil.rmtree(home)

    atexit.register(end)
    while not Path(where).exists():
        assert program.poll() is None, "it could not be loaded"
        time.sleep(0.02)
    return where
