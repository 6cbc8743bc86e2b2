"""Tenants, ledger, inbox, incidents: the engine's tables."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0001"
down_revision = None
branch_labels = ("engine",)
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
