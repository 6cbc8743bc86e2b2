"""What came of an upload that is not whole lies locked, under a key beside its row."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0026"
down_revision = "storage_0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
