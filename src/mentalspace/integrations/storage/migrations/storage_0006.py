"""Signed links that can be ended, and readings that were written down already."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0006"
down_revision = "storage_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
