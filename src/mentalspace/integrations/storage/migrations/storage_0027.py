"""Legal holds; removed versions are restored, and whoever may not see one is known by a policy."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0027"
down_revision = "storage_0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
