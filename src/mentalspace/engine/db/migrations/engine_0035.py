"""The states of a drill that is over are forgotten."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0035"
down_revision = "engine_0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("grant delete on alert_state to mentalspace_dispatcher")
