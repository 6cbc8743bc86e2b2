"""Webhooks that are refused are counted where somebody sees it."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0037"
down_revision = "engine_0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
