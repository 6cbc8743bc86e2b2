"""Since when a delivery's outcome is unknown, and whether that was written down for a person."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0019"
down_revision = "engine_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
