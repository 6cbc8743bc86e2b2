"""What goes in and out is counted; a bucket may have a quota."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0005"
down_revision = "storage_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
