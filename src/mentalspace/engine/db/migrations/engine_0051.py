"""Whoever watches counts a client once."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0051"
down_revision = "engine_0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("grant select (client_id) on delivery to mentalspace_dispatcher")
