"""A document takes the label of its client, and its older versions take its own."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0029"
down_revision = "storage_0028"
branch_labels = None
depends_on = ("practice_0022",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
