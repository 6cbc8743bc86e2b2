"""Who is on call and how they are reached; whether the alarm itself works."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0028"
down_revision = "engine_0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
