"""A suppression may carry what a colleague noted: who asked for it, and how."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0017"
down_revision = "engine_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table suppression add column note bytea -- encrypted")
