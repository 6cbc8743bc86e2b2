"""A client whom the practice treats as a program under 42 CFR Part 2 is known as one."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0022"
down_revision = "practice_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
