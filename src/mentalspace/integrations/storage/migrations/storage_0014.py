"""How full buckets and disk are, and what the last sweep found, is kept."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0014"
down_revision = "storage_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
