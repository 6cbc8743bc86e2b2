"""Everything one sandbox process holds: the kit, the emulators on it, and the pager."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mentalspace.emulator.accounts import is_loopback
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit, open_kit
from mentalspace.emulator.role import Emulator
from mentalspace.integrations import discover_sandboxes
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox.pager import Pager
from mentalspace.sandbox.presets import PRESETS


@dataclass(frozen=True, slots=True)
class World:
    kit: Kit
    emulators: tuple[Emulator, ...]
    pager: Pager

    @property
    def rooms(self) -> list[str]:
        return sorted({emulator.room for emulator in self.emulators})

    def has(self, room: str, provider: str) -> bool:
        everyone = (*self.emulators, self.pager)
        return any((e.room, e.provider) == (room, provider) for e in everyone)

    def break_it(self, room: str, provider: str, preset: str, **changes: object) -> Fault:
        """Put a preset in force. Raises Refused for a preset or a provider that is not here."""
        if preset not in PRESETS:
            raise Refused("unknown_preset", f"preset: use one of {', '.join(PRESETS)}")
        if not self.has(room, provider):
            raise Refused("unknown_provider", f"{room}/{provider} is not played here")
        fields = {**PRESETS[preset].fault, "label": PRESETS[preset].title, **changes}
        return self.kit.faults.add(room=room, provider=provider, **fields)


def open_world(
    state_dir: Path, *, rooms: Sequence[str] | None, seed: int, site_url: str | None
) -> World:
    """Open the state, load the past, and furnish what is new. Raises Refused for unknown rooms.

    `site_url` is where the demo's own webhooks go; one that is not on this machine gets none.
    """
    found = discover_sandboxes()
    known = sorted({room for room, _provider, _module in found})
    if unknown := sorted(set(rooms or ()) - set(known)):
        raise Refused(
            "unknown_room",
            f"{', '.join(unknown)}: no sandbox of that name, only {', '.join(known) or 'none'}",
        )
    kit = open_kit(state_dir, seed=seed)
    emulators: list[Emulator] = [
        module.emulator(kit) for room, _provider, module in found if rooms is None or room in rooms
    ]
    pager = Pager(kit)
    kit.journal.load()
    base = site_url if site_url and is_loopback(site_url) else None
    for emulator in emulators:
        emulator.furnish(f"{base}/v1/hooks/{emulator.room}/default" if base else None)
    return World(kit, tuple(emulators), pager)
