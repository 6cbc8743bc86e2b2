"""An appointment may be a date of a recurring event."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0006"
down_revision = "practice_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
