"""Traces: requests that wrote something, until they are told of, and how far the ledger is told."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0033"
down_revision = "engine_0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
