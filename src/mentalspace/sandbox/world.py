"""Everything one sandbox process holds: the kit, the emulators on it, and the pager."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mentalspace.emulator.accounts import is_loopback
from mentalspace.emulator.dns import NameServer
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit, open_kit
from mentalspace.emulator.role import Emulator, Listener, Phones, Publisher, Role
from mentalspace.emulator.status_page import StatusPages
from mentalspace.integrations import discover_sandboxes
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox.pager import Pager
from mentalspace.sandbox.pagerduty import PagerDuty
from mentalspace.sandbox.presets import presets_of

# Where the name server's address is among the others, and its port above the console's.
DNS = ("", "dns")
DNS_OFFSET = 3


@dataclass(frozen=True, slots=True)
class World:
    """`addresses` is where the listeners are, once they listen, by room and provider; the name
    server has `dns`."""

    kit: Kit
    emulators: tuple[Emulator, ...]
    listeners: tuple[Listener, ...]
    pager: Pager
    pagerduty: PagerDuty
    names: NameServer
    status_pages: StatusPages
    addresses: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Every provider that is played, whatever it speaks."""
        return (*self.emulators, *self.listeners)

    @property
    def rooms(self) -> list[str]:
        return sorted({role.room for role in self.roles})

    def phones(self, room: str, provider: str | None = None) -> Phones | None:
        """Whoever of a room reaches people's telephones."""
        for role in self.roles:
            if role.room == room and provider in (None, role.provider) and isinstance(role, Phones):
                return role
        return None

    def has(self, room: str, provider: str) -> bool:
        everyone = (*self.roles, self.pager, self.pagerduty)
        return any((e.room, e.provider) == (room, provider) for e in everyone)

    def address(self, role: Role) -> str:
        """Where it is reached: an address, or a path of the sandbox's own."""
        return self.addresses.get((role.room, role.provider), f"/{role.room}/{role.provider}")

    async def open(self, host: str, port: int) -> None:
        """Have the listeners listen. `port` is the sandbox's own; with 0, each takes a free one.

        Raises OSError when a port is taken.
        """
        for listener in self.listeners:
            wanted = port + listener.offset - 1 if port else 0
            taken = await listener.listen(host, wanted)
            where = f"{listener.scheme}://{host}:{taken}"
            self.addresses[listener.room, listener.provider] = where
        taken = await self.names.listen(host, port + DNS_OFFSET - 1 if port else 0)
        self.addresses[DNS] = f"dns://{host}:{taken}"

    async def close(self) -> None:
        """Every connection ends, then the state is let go."""
        for listener in self.listeners:
            await listener.close()
        await self.names.close()
        await self.kit.journal.close()

    def break_it(self, room: str, provider: str, preset: str, **changes: object) -> Fault:
        """Put a preset in force. Raises Refused for a preset or a provider that is not here."""
        if not self.has(room, provider):
            raise Refused("unknown_provider", f"{room}/{provider} is not played here")
        presets = presets_of(r for r in self.roles if (r.room, r.provider) == (room, provider))
        if preset not in presets:
            raise Refused("unknown_preset", f"preset: use one of {', '.join(presets)}")
        spoken = {(e.room, e.provider): e.presets for e in self.listeners}.get((room, provider), {})
        wording = {**presets[preset].fault, **spoken.get(preset, {})}
        fields = {**wording, "label": presets[preset].title, **changes}
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
    roles: list[Emulator | Listener] = [
        module.emulator(kit) for room, _provider, module in found if rooms is None or room in rooms
    ]
    pager, pagerduty = Pager(kit), PagerDuty(kit)
    publishers = [role for role in roles if isinstance(role, Publisher)]
    names = NameServer(kit.journal, lambda: chain.from_iterable(p.published() for p in publishers))
    status_pages = StatusPages(kit.journal, kit.clock)
    kit.journal.load()
    base = site_url if site_url and is_loopback(site_url) else None
    for role in roles:
        role.furnish(f"{base}/v1/hooks/{role.room}/default" if base else None)
    listeners = tuple(role for role in roles if isinstance(role, Listener))
    emulators = tuple(role for role in roles if not isinstance(role, Listener))
    return World(kit, emulators, listeners, pager, pagerduty, names, status_pages)
