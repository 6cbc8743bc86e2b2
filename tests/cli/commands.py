"""The `mentalspace` command as a person calls it: a process of its own."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
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
    return subprocess.run(
        [PROGRAM, *words],
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
