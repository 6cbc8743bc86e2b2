"""One question to the running system."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from mentalspace.cli.application import Application
from mentalspace.cli.probe import answers, ready_url
from mentalspace.cli.run_state import log_file
from mentalspace.kernel.errors import NotUp

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

T = TypeVar("T")


def ask(application: Application, work: Callable[[Services], Awaitable[T]]) -> T:
    """`work` done with open services. Raises NotUp when the database is away, or when somebody
    holds a lock there that it waited for."""

    async def opened() -> T:
        import asyncpg

        async with services_of(application) as services:
            try:
                return await work(services)
            except asyncpg.LockNotAvailableError as error:
                raise NotUp(await who_is_in_the_way(services)) from error

    return asyncio.run(opened())


async def who_is_in_the_way(services: Services) -> str:
    """Whoever holds a whole table, and whoever else is waited for."""
    from mentalspace.engine.in_the_way import lock_advice, read_in_the_way
    from mentalspace.engine.pulse import table_locks

    async with services.database.as_oncall() as connection:
        locks = await table_locks(connection)
        found = await read_in_the_way(connection)
    holders = {one.holder for one in locks}
    told = [f"{one.words}. {lock_advice(one.held_by, one.holder)}" for one in locks]
    told += [f"{one.words}. {one.advice}" for one in found if one.holder.holder not in holders]
    return "a table of the database is locked; " + (" ".join(told) or "try again")


@asynccontextmanager
async def services_of(application: Application) -> AsyncIterator[Services]:
    import asyncpg

    log_to_file(application, "cli")
    try:
        opened = application.open_services()
        services = await opened.__aenter__()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotUp(
            "the database does not answer, or was never set up; start MentalSpace with "
            "`mentalspace up`"
        ) from error
    try:
        yield services
    finally:
        await opened.__aexit__(None, None, None)


def log_to_file(application: Application, name: str) -> None:
    """Standard output is for answers: this process's log goes to logs/NAME.log."""
    from mentalspace.engine.log import configure_logs

    log = os.fdopen(log_file(application.settings.home, name), "w", buffering=1)
    configure_logs(name, log)


def require_up(application: Application) -> None:
    """Raises NotUp unless the API answers that all is ready."""
    http = answers(ready_url(application.settings))
    if http is None:
        raise NotUp("MentalSpace is not up here; start it with `make run` or `mentalspace up`")
    if http != 200:
        raise NotUp("MentalSpace is not ready yet; see `mentalspace status`")
