"""Late callbacks are told from missing ones: when each happened, and what its provider says."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0052"
down_revision = "engine_0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
