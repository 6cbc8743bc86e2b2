"""Whoever waits for a lock sees who holds it; what people pressed lately is found at once."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0040"
down_revision = "engine_0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
