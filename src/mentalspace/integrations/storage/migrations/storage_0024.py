"""A file may carry the label of 42 CFR Part 2, and a link says why it is given and to whom."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0024"
down_revision = "storage_0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
