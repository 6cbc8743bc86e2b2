"""What rates are counted by: a credential's messages by when they were taken, events by name."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0002"
down_revision = "engine_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
