"""The consent ledger: who agreed to be written to, who wants no more, and how that was heard."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0012"
down_revision = "practice_0011"
branch_labels = None
depends_on = ("engine_0016",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
