"""Reminders by rule and by client, and what a client answers."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0002"
down_revision = "practice_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
