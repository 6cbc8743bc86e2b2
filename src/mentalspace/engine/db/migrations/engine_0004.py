"""Finds the deliveries of one replay by its id."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0004"
down_revision = "engine_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "create index timeline_of_replay on timeline ((data ->> 'replay'))"
        " where kind = 'released' and data ? 'replay'"
    )
