"""Whoever is on call sees how many connections the database has left, and who holds them."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0045"
down_revision = "engine_0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
