"""What the room's routes and jobs stand on, taken from what the house has opened."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.disk.shelf import Shelf
from mentalspace.integrations.storage.link import Links
from mentalspace.integrations.storage.scan.scanner import Scanner
from mentalspace.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Desk:
    database: Database
    shelf: Shelf
    links: Links
    clock: Clock
    vault: Vault
    scanner: Scanner


def desk_of(services: Services) -> Desk:
    secrets = [services.jwt_secret, services.jwt_secret_before]
    return Desk(
        services.database,
        Shelf(services.settings.storage),
        Links([secret for secret in secrets if secret]),
        services.clock,
        services.vault,
        Scanner(services.settings.clamav),
    )
