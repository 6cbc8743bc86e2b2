"""A client's documents end with their key, when an administrator says so."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0028"
down_revision = "storage_0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
