"""What rooms measure themselves stands where rules and pages find it."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0039"
down_revision = "engine_0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
