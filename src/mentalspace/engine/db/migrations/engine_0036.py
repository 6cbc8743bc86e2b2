"""What is asked every second finds its few rows among many: what expires, what is overdue."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0036"
down_revision = "engine_0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
