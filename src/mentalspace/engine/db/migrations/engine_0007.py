"""Whom an integration writes to no more, and the key people are counted by."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0007"
down_revision = "engine_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
