"""An attempt may carry a batch, and keeps what the provider said of its rate."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0006"
down_revision = "engine_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
