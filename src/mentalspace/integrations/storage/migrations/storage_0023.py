"""A release names the version that somebody saw; what was found in gone ones is forgotten."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0023"
down_revision = "storage_0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
