"""Evidence: chains of records that the database only ever lengthens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger
from mentalspace.kernel.chain import Entry, canonical

log = get_logger(__name__)

# Runs that belong to no game day follow one another here.
SINGLE_RUNS = "runs"

# The database numbers and hashes the entry: see engine_0021.sql.
_APPEND = """
insert into evidence (chain, kind, body) values ($1, $2, $3) returning seq, previous, hash
"""
_CHAIN = "select seq, kind, body, previous, hash from evidence where chain = $1 order by seq"
_ENTRY = "select seq, kind, body, previous, hash from evidence where chain = $1 and seq = $2"
_HEAD = "select seq, hash from evidence_head where chain = $1"


async def append(connection: Connection, chain: str, kind: str, record: Mapping[str, Any]) -> Entry:
    """Lengthen the chain by one record, in the caller's transaction. Runs as the dispatcher."""
    body = canonical(record)
    row = await connection.fetchrow(_APPEND, chain, kind, body)
    assert row is not None
    return Entry(row["seq"], kind, body, row["previous"], row["hash"])


async def read_chain(connection: Connection, chain: str) -> list[Entry]:
    """From its first entry to its last; empty where there is no such chain."""
    return [Entry(**dict(row)) for row in await connection.fetch(_CHAIN, chain)]


async def read_entry(connection: Connection, chain: str, seq: int) -> Entry | None:
    row = await connection.fetchrow(_ENTRY, chain, seq)
    return None if row is None else Entry(**dict(row))


async def read_head(connection: Connection, chain: str) -> tuple[int, str] | None:
    """How long the database says the chain is, and its newest entry's hash."""
    row = await connection.fetchrow(_HEAD, chain)
    return None if row is None else (row["seq"], row["hash"])


def write_head_down(entry: Entry) -> None:
    """Into the log, which whoever rewrites a chain had to rewrite too."""
    log.info("evidence_head", count=entry.seq, head=entry.hash)
