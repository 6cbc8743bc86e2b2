"""Another checkout of the project, in which a room may be made: nothing reaches the real one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEFT_BEHIND = {
    ".git",
    ".venv",
    ".mentalspace",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "build",
    "dist",
}


@dataclass(frozen=True, slots=True)
class Checkout:
    """`home` lies beside it, so that what runs there changes no file of it."""

    path: Path
    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def rooms(self) -> Path:
        return self.path / "src/mentalspace/integrations"

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """One command in its root, with its sources and nothing of the caller's MentalSpace."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(self.path / "src"),
            "MENTALSPACE_HOME": str(self.home),
            **self.environment,
            **more,
        }
        return subprocess.run(
            words,
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def must(self, *words: str, **more: str) -> str:
        """What a command prints; it has to end well."""
        done = self.run(*words, **more)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def python(self, *words: str, **more: str) -> str:
        return self.must(sys.executable, *words, **more)

    def make_room(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`make room`, in the virtual environment of these tests, which is not installed anew."""
        return self.run("make", "-o", "install", "room", f"VENV={sys.prefix}", *words)

    def files(self) -> dict[str, str]:
        """A digest of every file by its path; what tools keep for themselves is left out."""
        return {
            path.relative_to(self.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.path.rglob("*")
            if path.is_file() and not _LEFT_BEHIND & set(path.relative_to(self.path).parts)
        }


def _leave_behind(folder: str, names: list[str]) -> set[str]:
    """What pytest compiled names the file it read; what a neighbour compiles just now is in a file
    that it then renames."""
    if Path(folder).name == "__pycache__":
        return {name for name in names if "-pytest-" in name or not name.endswith(".pyc")}
    return (_LEFT_BEHIND - {"__pycache__"}) & set(names)


def check_out(into: Path, of: Path = ROOT) -> Checkout:
    """A copy of the project as it stands. What mypy knows and what Python compiled come along:
    reading it all anew is slow."""
    path = into / "checkout"
    shutil.copytree(of, path, ignore=_leave_behind)
    if of == ROOT and (known := ROOT / ".mypy_cache").exists():
        shutil.copytree(known, path / known.name)
    return Checkout(path, into / "home")
