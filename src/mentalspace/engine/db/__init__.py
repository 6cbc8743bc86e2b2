"""PostgreSQL: connections that say as whom they act, and migrations."""

from mentalspace.engine.db.pool import Connection, Database, connect, connect_owner

__all__ = ["Connection", "Database", "connect", "connect_owner"]
