"""The audit becomes a chain for each practice: what was taken out or changed shows."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0003"
down_revision = "practice_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
