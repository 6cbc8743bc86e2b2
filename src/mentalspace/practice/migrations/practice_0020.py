"""What a held message says is read behind glass: for a reason, for a while, and told."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0020"
down_revision = "practice_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
