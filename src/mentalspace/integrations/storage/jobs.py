"""What the room does by itself: it checks, counts, tidies up, and forgets what is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mentalspace.engine.log import get_logger
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.check import look_at_waiting, watch_the_scanner
from mentalspace.integrations.storage.desk import Desk, desk_of
from mentalspace.integrations.storage.disk.expiry import clear_uploads
from mentalspace.integrations.storage.disk.sweep import sweep
from mentalspace.integrations.storage.measuring import look_at_disk, measure
from mentalspace.integrations.storage.purge import purge_due
from mentalspace.integrations.storage.store.measures import keep_swept
from mentalspace.integrations.storage.store.transfers import fold

CHECK_EVERY_S = 1.0
COUNT_EVERY_S = 60.0
SWEEP_EVERY_S = 3600.0

log = get_logger(__name__)


async def count_files(services: Services) -> None:
    settings = services.settings
    await fold(services.database)
    await look_at_disk(services.database, settings.storage)
    await measure(services.database, settings.storage_quota_bytes)


async def check_files(services: Services) -> None:
    desk = desk_of(services)
    await look_at_waiting(desk)
    await watch_the_scanner(desk, services.runbooks.escalation)


async def sweep_files(services: Services) -> None:
    """Each step for itself: one that fails keeps none of the others from its work. Raises what the
    first of them met."""
    desk = desk_of(services)
    failed: list[Exception] = []
    for name, step in _SWEEPING.items():
        try:
            await step(desk)
        except Exception as error:
            log.warning("sweep_failed", step=name, error=type(error).__name__)
            failed.append(error)
    if failed:
        raise failed[0]


async def _sweep(desk: Desk) -> None:
    swept = await sweep(desk.database, desk.shelf)
    async with desk.database.as_dispatcher() as connection:
        await keep_swept(connection, swept.unnamed_of, swept.lost_of)


async def _purge(desk: Desk) -> None:
    await purge_due(desk)


async def _clear(desk: Desk) -> None:
    await clear_uploads(desk.database, desk.partials)


async def _forget(desk: Desk) -> None:
    async with desk.database.as_dispatcher() as connection:
        await connection.execute("select storage.forget_old()")


_SWEEPING: dict[str, Callable[[Desk], Awaitable[None]]] = {
    "versions": _purge,
    "files": _sweep,
    "uploads": _clear,
    "forgotten": _forget,
}
