"""Rollups: the ledger counted ahead; and what a message weighed, which is what it cost."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0022"
down_revision = "engine_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
