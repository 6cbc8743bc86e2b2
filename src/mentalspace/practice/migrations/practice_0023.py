"""What people do at night stands in the audit beside what they read."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0023"
down_revision = "practice_0022"
branch_labels = None
depends_on = ("engine_0034",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
