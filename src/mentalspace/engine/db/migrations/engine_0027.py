"""What an incident found when it opened: the runbook's queries and the provider's status page."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0027"
down_revision = "engine_0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
