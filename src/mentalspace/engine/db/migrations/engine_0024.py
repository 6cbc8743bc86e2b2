"""Totals for /metrics, counted up to an instant; and what each process does in its loops."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0024"
down_revision = "engine_0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
