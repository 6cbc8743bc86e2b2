"""The embedded PostgreSQL: whatever happened before, a start ends in one healthy server."""

from mentalspace.engine.postgres.errors import PostgresError
from mentalspace.engine.postgres.server import Server, Version
from mentalspace.engine.postgres.supervisor import destroy, ensure_running, running, stop

__all__ = [
    "PostgresError",
    "Server",
    "Version",
    "destroy",
    "ensure_running",
    "running",
    "stop",
]
