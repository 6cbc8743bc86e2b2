"""Whoever takes an incident while a table is locked is owed its being written down."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0055"
down_revision = "engine_0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
