"""Several credentials for one thing, in an order, and what moves between them."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0005"
down_revision = "engine_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
