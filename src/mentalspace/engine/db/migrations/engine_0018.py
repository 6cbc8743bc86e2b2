"""The front desk sees until when a text waits for its hours."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0018"
down_revision = "engine_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("grant select (hours) on delivery to authenticated;")
