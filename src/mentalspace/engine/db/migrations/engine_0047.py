"""A look that saw what the last one saw writes down when it looked, and nothing else."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0047"
down_revision = "engine_0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
