"""What a credential stood with before is kept for a few days, so that it may be brought back."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0054"
down_revision = "engine_0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
