"""Where an installation keeps its PostgreSQL, and as which account it runs there.

An ordinary user keeps everything under `<home>/postgres`. PostgreSQL refuses to run as root,
so root keeps the data under `/var/lib/mentalspace/<id>` and runs it as an account of that
installation alone: a pid file's reused pid under a shared account would block a start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mentalspace.engine.postgres.errors import PostgresError

STATE_ROOT = Path("/var/lib/mentalspace")

# Nothing of our own environment, where secrets live, reaches the server.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Place:
    """`account` is None when the server runs as ourselves."""

    home: Path
    state: Path
    account: str | None

    @property
    def notes(self) -> Path:
        """What is remembered between starts: lock, password, port, installation."""
        return notes_of(self.home)

    @property
    def log(self) -> Path:
        return self.home / "logs" / "postgres.log"

    def command(self, args: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """Start a program as the account, knowing nothing of our environment."""
        return subprocess.Popen(
            args,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=ENVIRONMENT,
            user=self.account,
            group=self.account,
            extra_groups=None if self.account is None else [],
            **options,
        )

    def run(self, args: Sequence[str | Path], *, timeout_s: float) -> str:
        """The program's output. Raises PostgresError with its last line if it fails."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self.command(args, **options) as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            last = (output.strip().splitlines() or ["no output"])[-1]
            name = Path(args[0]).name
            raise PostgresError(f"{name} failed with status {process.returncode}: {last}")
        return output

    def give(self, path: Path) -> None:
        """Hand a file or directory of ours to the account."""
        if self.account is not None:
            entry = pwd.getpwnam(self.account)
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def notes_of(home: Path) -> Path:
    return home / "postgres"


@contextmanager
def locked(home: Path, *, timeout_s: float) -> Iterator[None]:
    """One process at a time. The lock dies with its holder, and no child inherits it."""
    notes = notes_of(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    notes.mkdir(mode=0o700, exist_ok=True)
    _exists_and_is_ours(notes)
    with notes.joinpath("lock").open("w") as file:
        _lock(file, deadline=time.monotonic() + timeout_s, notes=notes)
        yield


def existing_place(home: Path) -> Place | None:
    """The place of an installation, if there is one."""
    notes = notes_of(home)
    if not _exists_and_is_ours(notes):
        return None
    if os.geteuid() != 0:
        return Place(home, notes, None)
    name = _read(notes / "installation")
    return None if name is None else Place(home, STATE_ROOT / name, account_of(name))


def make_place(home: Path) -> Place:
    """The place, made if need be. Call it under the lock."""
    place = existing_place(home)
    if place is None:
        notes_of(home).joinpath("installation").write_text(_new_name(home))
        place = existing_place(home)
        assert place is not None
    if place.account is not None:
        _make_account(place.account)
        # Our own new directories: a strict umask must not lock the account out of them.
        _make_directory(STATE_ROOT, 0o755)
        _make_directory(place.state, 0o711)
        _give_data(place)
    return place


def remove_place(place: Place) -> None:
    """Forget everything, the data too. The server must be stopped."""
    if place.account is not None:
        shutil.rmtree(place.state, ignore_errors=True)
        _remove_account(place.account)
    shutil.rmtree(place.notes, ignore_errors=True)


def account_of(name: str) -> str:
    return f"mentalspace-{name}"


def _lock(file: IO[str], *, deadline: float, notes: Path) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                text = f"another process has been starting or stopping PostgreSQL in {notes}"
                raise PostgresError(f"{text} all this time; wait for it, or end it") from None
            time.sleep(0.05)
        else:
            return


def _exists_and_is_ours(notes: Path) -> bool:
    try:
        ours = notes.stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False
    except PermissionError:
        ours = False
    if not ours:
        raise PostgresError(f"{notes} belongs to another user; run as its owner")
    return True


def _give_data(place: Place) -> None:
    """To the account as it is now: a rebuilt container makes it anew with another uid."""
    assert place.account is not None
    uid = pwd.getpwnam(place.account).pw_uid
    for data in place.state.glob("data-*"):
        if data.lstat().st_uid != uid:
            for path in (data, *data.rglob("*")):
                place.give(path)


def _new_name(home: Path) -> str:
    """From the path; made unlike when an earlier home at the same path left its data behind,
    whose password went with that home."""
    name = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    return name if not STATE_ROOT.joinpath(name).exists() else secrets.token_hex(5)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def _make_directory(path: Path, mode: int) -> None:
    if not path.exists():
        path.mkdir(exist_ok=True)
        path.chmod(mode)


def _make_account(account: str) -> None:
    if _has_account(account):
        return
    if shutil.which("useradd"):
        command = ["useradd", "--system", "--no-create-home", "--user-group"]
        command += ["--home-dir", "/nonexistent", "--shell", "/bin/false", account]
    elif shutil.which("adduser"):
        command = ["adduser", "--quiet", "--system", "--group", "--no-create-home"]
        command += ["--home", "/nonexistent", "--shell", "/bin/false", account]
    else:
        raise PostgresError(
            "PostgreSQL does not run as root, and neither useradd nor adduser is here to make "
            "an account for it; run as an ordinary user, or set DATABASE_URL"
        )
    failure = _change_accounts(command, until=lambda: _has_account(account))
    if failure is not None:
        raise PostgresError(f"{command[0]} could not make the account {account}: {failure}")


def _remove_account(account: str) -> None:
    tool = shutil.which("userdel") or shutil.which("deluser")
    if tool is not None and _has_account(account):
        _change_accounts([tool, account], until=lambda: not _has_account(account))


def _change_accounts(command: list[str], *, until: Callable[[], bool]) -> str | None:
    """What went wrong at last, or None. Repeated, since another change may hold the files."""
    failure: str | None = None
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if until():
            return None
        failure = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        time.sleep(0.25)
    return failure


def _has_account(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True
