"""The lane asks whether the client, and not only the address, is written to no more."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0026"
down_revision = "engine_0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
