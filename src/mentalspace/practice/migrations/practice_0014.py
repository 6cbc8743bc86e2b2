"""What people text to the practice, and tasks that lead to a conversation."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0014"
down_revision = "practice_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
