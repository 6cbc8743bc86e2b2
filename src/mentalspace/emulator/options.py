"""What may be changed about a provider's behaviour while it runs, and stays changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.errors import Refused


class Options:
    """Each provider declares its own with defaults; unknown names and other types are refused."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._defaults: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._changed: dict[tuple[str, str], dict[str, Any]] = {}
        journal.on("options", self._apply)
        journal.compact(["options"], self._snapshot)

    def declare(self, room: str, provider: str, defaults: Mapping[str, Any]) -> None:
        self._defaults[room, provider] = defaults

    def get(self, room: str, provider: str) -> dict[str, Any]:
        """All options of a provider, as they are now."""
        where = (room, provider)
        return {**self._defaults.get(where, {}), **self._changed.get(where, {})}

    def value(self, room: str, provider: str, name: str) -> Any:
        """One option of a provider, as it is now. Raises KeyError for an unknown one."""
        changed = self._changed.get((room, provider), {})
        return changed[name] if name in changed else self._defaults[room, provider][name]

    def put(self, room: str, provider: str, changes: Mapping[str, Any]) -> None:
        """Raises Refused, changing nothing, when one of the changes does not fit."""
        defaults = self._defaults.get((room, provider), {})
        for name, value in changes.items():
            if name not in defaults:
                known = ", ".join(sorted(defaults)) or "none"
                raise Refused("unknown_option", f"{name}: there is no such option, only {known}")
            wanted = type(defaults[name])
            fits = isinstance(value, (int, float) if wanted is float else wanted)
            if not fits or isinstance(value, bool) is not (wanted is bool):
                raise Refused("wrong_option", f"{name}: give a value like {defaults[name]!r}")
        self._journal.emit("options", room=room, provider=provider, changes=dict(changes))

    def _apply(self, record: Record) -> None:
        where = (record["room"], record["provider"])
        self._changed.setdefault(where, {}).update(record["changes"])

    def _snapshot(self) -> Iterable[Record]:
        for (room, provider), changes in self._changed.items():
            yield {"kind": "options", "room": room, "provider": provider, "changes": changes}
