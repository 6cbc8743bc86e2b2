"""The second clock of an incident, its checklist and its ticket."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0020"
down_revision = "engine_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
