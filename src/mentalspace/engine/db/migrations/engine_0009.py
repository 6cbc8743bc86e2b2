"""Finds what went over from a lane, for its incident and its card."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0009"
down_revision = "engine_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "create index timeline_moved on timeline ((data ->> 'from_lane'), at) where kind = 'moved'"
    )
