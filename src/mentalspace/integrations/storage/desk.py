"""What the room's routes and jobs stand on, taken from what the house has opened."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.disk.partials import Partials
from mentalspace.integrations.storage.disk.shelf import DiskShelf
from mentalspace.integrations.storage.link import Links
from mentalspace.integrations.storage.scan.scanner import Scanner
from mentalspace.integrations.storage.shelf import Shelf
from mentalspace.kernel.clock import Clock
from mentalspace.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    database: Database
    shelf: Shelf
    partials: Partials
    links: Links
    clock: Clock
    vault: Vault
    scanner: Scanner


def desk_of(services: Services) -> Desk:
    secrets = [services.jwt_secret, services.jwt_secret_before]
    return Desk(
        services.database,
        shelf_of(services.settings),
        Partials(services.settings.storage),
        Links([secret for secret in secrets if secret]),
        services.clock,
        services.vault,
        Scanner(services.settings.clamav),
    )


def shelf_of(settings: Settings) -> Shelf:
    """Where this installation's files lie."""
    if settings.storage_s3 is None:
        return DiskShelf(settings.storage)
    from mentalspace.integrations.storage.s3.shelf import open_s3

    return open_s3(settings.storage_s3)
