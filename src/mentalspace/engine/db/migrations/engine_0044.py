"""What failed of late, and what was taken and not brought, are found without reading the rest."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0044"
down_revision = "engine_0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
