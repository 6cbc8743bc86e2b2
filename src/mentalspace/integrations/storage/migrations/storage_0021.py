"""Files are locked: whose key opens them, and what each file's own key is wrapped in."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0021"
down_revision = "storage_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
