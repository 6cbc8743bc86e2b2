"""What ended or resumed the writing to somebody says how it was heard; one answer may pass it."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0016"
down_revision = "engine_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
