"""The second factor: a code from a person's own device, and codes for the day it is lost."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0008"
down_revision = "practice_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
