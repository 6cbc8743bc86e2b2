"""How each process ended that a supervisor keeps running, and the last line of its log."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0049"
down_revision = "engine_0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
