"""Buckets, files, and who may do what with them."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0001"
down_revision = None
branch_labels = ("storage",)
# Whose file it is follows from clients and appointments; who reads it stands in the audit.
depends_on = ("practice_0019",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
