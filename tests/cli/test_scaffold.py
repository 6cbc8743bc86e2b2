"""A scaffolded room is a whole room: it passes every check before anyone has touched it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import mentalspace
from mentalspace.cli.scaffold import scaffold
from mentalspace.kernel.errors import Refused

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Another checkout, in which a room may be made."""
    shutil.copytree(
        Path(mentalspace.__file__).parent,
        tmp_path / "src" / "mentalspace",
        ignore=shutil.ignore_patterns("__pycache__", "node_modules"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if (known := ROOT / ".mypy_cache").exists():
        shutil.copytree(known, tmp_path / known.name)
    return tmp_path


def python(copy: Path, *words: str) -> str:
    """What a Python module of that checkout prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "MENTALSPACE_HOME": str(copy / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_a_new_room_passes_every_check(copy: Path) -> None:
    """Whatever its names, a new room passes linter, types, runbook check and its own tests."""
    room = "src/mentalspace/integrations/prior_auth"
    made = python(copy, "mentalspace", "room", "prior_auth", "--provider", "zeta_med")
    assert "mentalspace drill prior_auth" in made
    python(copy, "ruff", "check", room)
    python(copy, "ruff", "format", "--check", room)
    python(copy, "mypy", room)
    assert "hold, 0 warnings" in python(copy, "mentalspace", "runbook", "check")
    python(copy, "pytest", "-p", "no:cacheprovider", f"{room}/tests")


@pytest.mark.parametrize("name", ["9x", "Fax", "a-b", "class", "../email", "", "fax_"])
def test_a_name_that_cannot_be_a_package_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written for a name that Python or the file system would stumble over."""
    with pytest.raises(Refused) as refused:
        scaffold(tmp_path, name, "somebody", date(2026, 11, 23))
    assert refused.value.code == "bad_name"
    assert list(tmp_path.iterdir()) == []


def test_a_room_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A second room of the same name is refused, and the first is untouched."""
    tmp_path.joinpath("fax").mkdir()
    with pytest.raises(Refused, match="there is a room 'fax' already"):
        scaffold(tmp_path, "fax", "somebody", date(2026, 11, 23))
    assert list(tmp_path.joinpath("fax").iterdir()) == []
