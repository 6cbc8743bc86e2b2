"""What must be in place before anything goes live: vendor agreements, and credentials for tests."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0003"
down_revision = "engine_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
