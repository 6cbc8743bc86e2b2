"""What our own rules refused is found by credential, and is little."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0053"
down_revision = "engine_0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
