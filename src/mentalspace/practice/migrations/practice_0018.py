"""What was learned of a number stays with the number, however it is typed and whoever has it."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0018"
down_revision = "practice_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
