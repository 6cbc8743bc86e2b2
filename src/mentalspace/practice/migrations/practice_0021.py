"""The audit is an administrator's to see, and on-call's without what administrators wrote."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0021"
down_revision = "practice_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
