"""What happened can be written down while another table is locked."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0050"
down_revision = "engine_0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
