"""What was found in a version is for whoever may see its file."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0022"
down_revision = "storage_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
