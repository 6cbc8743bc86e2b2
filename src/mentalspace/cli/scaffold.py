"""Makes a new room that runs from its first day: one provider, one error case, two drills."""

from __future__ import annotations

import importlib.util
import keyword
import re
import subprocess
import sys
from datetime import date, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mentalspace.kernel.errors import Refused

REVIEW_AFTER = timedelta(days=92)
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def scaffold(integrations: Path, room: str, provider: str, today: date) -> Path:
    """Write `integrations/ROOM`. Raises Refused for a name that cannot be, or is there already."""
    _check_name("room", room)
    _check_name("provider", provider)
    if room == provider:
        raise Refused("bad_name", "room and provider need different names; use --provider")
    target = integrations / room
    if target.exists():
        raise Refused("room_exists", f"there is a room {room!r} already, in {target}")
    words = _words(room, provider, today)
    for source, path in _templates(files("mentalspace.cli") / "room_template"):
        file = target / _fill(path.removesuffix(".tmpl"), words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_fill(source.read_text(encoding="utf-8"), words), encoding="utf-8")
    _tidy(target)
    return target


def next_steps(target: Path, room: str, provider: str) -> list[str]:
    """What a person does with it."""
    return [
        f"made {target}",
        f"1. read {provider}'s documentation; correct {provider}/README.md, wire.py and sandbox.py",
        f"2. mentalspace sandbox {room}        plays it",
        f"3. python -m pytest {target}/tests",
        f"4. write its cases in {provider}/errors, each with a drill; mentalspace runbook check",
        f"5. mentalspace up, then mentalspace drill {room}",
        "6. make docs, and a fragment in changelog.d",
    ]


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Refused("bad_name", f"{name!r} is no name for a {what}; write it like prior_auth")


def _tidy(target: Path) -> None:
    """The order of imports and the breaking of lines depend on the names; a checkout has ruff."""
    if importlib.util.find_spec("ruff") is not None:
        for words in (("check", "--select", "I", "--fix"), ("format",)):
            command = [sys.executable, "-m", "ruff", *words, "--quiet", "--no-cache", str(target)]
            subprocess.run(command, check=True)


def _words(room: str, provider: str, today: date) -> dict[str, str]:
    return {
        "__room__": room,
        "__Room__": room.replace("_", " ").capitalize(),
        "__provider__": provider,
        "__Provider__": "".join(part.capitalize() for part in provider.split("_")),
        "__PROVIDER__": provider.upper(),
        "__header__": provider.replace("_", "-"),
        "__today__": today.isoformat(),
        "__next_review__": (today + REVIEW_AFTER).isoformat(),
    }


def _fill(text: str, words: dict[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


def _templates(folder: Traversable, prefix: str = "") -> list[tuple[Traversable, str]]:
    """Every template and its path below the folder."""
    found = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        path = f"{prefix}{item.name}"
        if item.is_dir():
            found += _templates(item, f"{path}/")
        elif item.name.endswith(".tmpl"):
            found.append((item, path))
    return found
