"""The database knows whether a delivery may leave at this hour."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0038"
down_revision = "engine_0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
