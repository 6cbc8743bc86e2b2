"""What a drill run proved and when, game days, and evidence that is only ever lengthened."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0021"
down_revision = "engine_0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
