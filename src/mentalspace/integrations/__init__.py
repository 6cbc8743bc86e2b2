"""The rooms. Strangers to each other; found by looking, never listed by hand."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from mentalspace.kernel.integration import Integration


def discover_rooms() -> dict[str, Integration]:
    """Every package here that has a `room.py`, by name, in alphabetical order."""
    rooms = {}
    for name in room_names():
        module = importlib.import_module(f"{__name__}.{name}.room")
        integration = module.integration
        assert isinstance(integration, Integration)
        rooms[name] = integration
    return rooms


def room_names() -> list[str]:
    """The rooms' names, without importing any of their code."""
    return sorted(
        found.name
        for found in pkgutil.iter_modules(__path__)
        if found.ispkg and importlib.util.find_spec(f"{__name__}.{found.name}.room")
    )


def discover_sandboxes() -> list[tuple[str, str, ModuleType]]:
    """(room, provider, module) of every `sandbox`, a module or a package that is imported with
    nothing else of the rooms: what else lies beside it in a room is looked at, never imported."""
    found = []
    for room in pkgutil.iter_modules(__path__):
        if not room.ispkg:
            continue
        package = importlib.import_module(f"{__name__}.{room.name}")
        for inner in pkgutil.iter_modules(package.__path__):
            folders = [f"{path}/{inner.name}" for path in package.__path__]
            if any(beside.name == "sandbox" for beside in pkgutil.iter_modules(folders)):
                name = f"{package.__name__}.{inner.name}.sandbox"
                found.append((room.name, inner.name, importlib.import_module(name)))
    return found
