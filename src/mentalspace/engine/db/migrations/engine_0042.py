"""Whoever cannot read the heartbeats sees who holds their tables."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0042"
down_revision = "engine_0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
