"""Who holds a whole table, of any of ours and not of the heartbeats alone."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0048"
down_revision = "engine_0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
