"""Uploads that may be broken off and gone on with."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0007"
down_revision = "storage_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
