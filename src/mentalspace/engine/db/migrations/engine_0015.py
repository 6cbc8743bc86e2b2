"""A delivery may carry the hours in which it may leave."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0015"
down_revision = "engine_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table delivery add column hours jsonb")
