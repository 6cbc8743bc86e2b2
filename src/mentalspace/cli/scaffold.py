"""Makes a new room that runs from its first day: one provider, three error cases, their drills."""

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
_FILL_IN = re.compile(r"Fill in: (.+?)(?: -->)?$", re.MULTILINE)
# Filled in this order, a room can be run after each file.
_ORDER = (
    "__provider__/README.md",
    "__provider__/wire.py",
    "__provider__/sandbox.py",
    "model.py",
    "__provider__/adapter.py",
    "__provider__/webhooks.py",
    "tests",
    "__provider__/errors",
    "errors",
    "runbook/drills",
    "runbook/overview.toml",
    "room.py",
    "README.md",
)


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
    """What a person does with it: what to fill in, file by file, and how to try it."""
    to_fill = _to_fill(target, provider)
    width = max(len(path) for path, _what in to_fill)
    return [
        f"made {target}",
        "It runs as it is, against a provider that is made up. Fill in, from the top, and remove",
        "each `Fill in` line once it is done:",
        *(f"  {path:<{width}}  {what}" for path, what in to_fill),
        "Try it after any of them:",
        f"  mentalspace sandbox {room}",
        f"  python -m pytest {target}/tests",
        "  mentalspace runbook check",
        f"  mentalspace up, then mentalspace drill {room}",
        "At the end: make docs, and a fragment in changelog.d",
    ]


def _to_fill(target: Path, provider: str) -> list[tuple[str, str]]:
    """Each file of the room that asks for something, and what it asks for."""
    found = []
    for place in _ORDER:
        path = target / place.replace("__provider__", provider)
        for file in [path] if path.is_file() else sorted(path.iterdir()):
            if asked := _FILL_IN.search(file.read_text(encoding="utf-8")):
                found.append((file.relative_to(target).as_posix(), asked[1]))
    return found


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
