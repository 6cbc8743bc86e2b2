"""A code's telephone is the dialled number, and what a text did not bring has a link by mail."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0016"
down_revision = "practice_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
