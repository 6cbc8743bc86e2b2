"""What each provider answered to a harmless question, asked before the credential is needed."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0043"
down_revision = "engine_0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
