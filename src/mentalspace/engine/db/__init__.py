"""PostgreSQL: connections that say as whom they act, and migrations."""

from mentalspace.engine.db.pool import (
    CONNECTION_LOST,
    LOOKING_WAITS_S,
    Connection,
    Database,
    connect,
    connect_owner,
)

__all__ = [
    "CONNECTION_LOST",
    "LOOKING_WAITS_S",
    "Connection",
    "Database",
    "connect",
    "connect_owner",
]
