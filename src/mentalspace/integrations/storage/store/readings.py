"""Which reading of a file is a new one: its stretches, fetched one after another, are one."""

from __future__ import annotations

from datetime import timedelta

from mentalspace.engine.db import Connection
from mentalspace.integrations.storage.store.acting import Deed

# A film that is watched, or a long document that is leafed through, is asked for in stretches.
LASTS = timedelta(minutes=15)

_READ = """
insert into storage.reading (practice_id, version, reader, via, until)
values ($1, $2, $3, $4, app.now() + $5)
on conflict (practice_id, version, reader, via) do update set until = excluded.until
 where $6 or storage.reading.until <= app.now()
returning true
"""


async def is_new(connection: Connection, deed: Deed, version: str, *, whole: bool) -> bool:
    """Whether this reading is to be written down: a whole file always is; a stretch, unless the
    same person began to read the same version in the same way a quarter of an hour ago or less.

    As the practice's worker, in the transaction that writes it down.
    """
    via = "" if deed.link is None else str(deed.link)
    read = await connection.fetchval(
        _READ, deed.practice_id, version, deed.actor, via, LASTS, whole
    )
    return bool(read)
