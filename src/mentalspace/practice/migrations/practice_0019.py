"""A text that comes from a number tells something of it too."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0019"
down_revision = "practice_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
