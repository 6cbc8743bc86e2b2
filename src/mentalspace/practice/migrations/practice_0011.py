"""One-time codes by text, limits that all processes share, and what of a log-in is thrown away."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0011"
down_revision = "practice_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
