"""SQL against the running database, as an on-call engineer unless told otherwise."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mentalspace.cli.table import table
from mentalspace.kernel.errors import MentalSpaceError, NotUp, Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

# By the words a person types. The owner bypasses every policy and may write.
ROLES = {
    "oncall": "mentalspace_oncall",
    "dispatcher": "mentalspace_dispatcher",
    "door": "mentalspace_door",
    "owner": None,
}
TIMEOUT_MS = 10_000


class SqlFailed(MentalSpaceError):
    """The database's own words."""


async def run_sql(services: Services, sql: str, role: str) -> str:
    """One statement's result as a table. Everybody but the owner reads only.

    Raises SqlFailed with what the database said, Refused for a role that is none.
    """
    import asyncpg

    settings = _settings(role)
    connection = await asyncpg.connect(_url(services, role), server_settings=settings)
    try:
        statement = await connection.prepare(sql)
        rows = await statement.fetch(timeout=TIMEOUT_MS / 1000 + 5)
        columns = [attribute.name for attribute in statement.get_attributes()]
        outcome = str(statement.get_statusmsg())
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SqlFailed(str(error).replace("\n", " ")) from error
    finally:
        await connection.close()
    if not columns:
        return outcome
    counted = f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    return f"{table(columns, [tuple(row) for row in rows])}\n{counted}"


async def interactive(services: Services, role: str) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of a psql; the password is in neither's arguments."""
    parts = urlsplit(_url(services, role))
    options = " ".join(
        f"-c {name}={value.replace(' ', '')}" for name, value in _settings(role).items()
    )
    environment = {
        **os.environ,
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.removeprefix("/"),
        "PGOPTIONS": options,
    }
    return [str(_program())], environment


def _url(services: Services, role: str) -> str:
    if role not in ROLES:
        raise Refused("no_such_role", f"--role is one of {', '.join(ROLES)}")
    return services.admin_url if role == "owner" else services.login_url


def _settings(role: str) -> dict[str, str]:
    name = ROLES.get(role)
    path = "app, pg_catalog, public"
    settings = {
        "search_path": f"oncall, {path}" if role == "oncall" else path,
        "statement_timeout": str(TIMEOUT_MS),
        "application_name": "mentalspace psql",
    }
    if name is not None:
        settings |= {"role": name, "default_transaction_read_only": "on"}
    return settings


def _program() -> Path:
    """psql of the embedded PostgreSQL, else the machine's. Raises NotUp without either."""
    from mentalspace.engine.postgres import PostgresError
    from mentalspace.engine.postgres.binaries import PACKAGE, TREES, wheel

    try:
        carried = wheel() / PACKAGE / TREES[18] / "bin" / "psql"
        if os.access(carried, os.X_OK):
            return carried
    except PostgresError:
        pass
    found = shutil.which("psql")
    if found is None:
        raise NotUp("there is no psql program here; give the statement with -c")
    return Path(found)
