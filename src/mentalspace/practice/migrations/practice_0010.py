"""Clients whom the front desk reached by telephone."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0010"
down_revision = "practice_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
