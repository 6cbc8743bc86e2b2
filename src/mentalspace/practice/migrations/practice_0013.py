"""How a client is told: their number as it is dialled, their choice, and what was texted."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0013"
down_revision = "practice_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
