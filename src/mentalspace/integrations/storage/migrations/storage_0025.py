"""What was replaced or deleted is kept for as long as its bucket says."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0025"
down_revision = "storage_0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
