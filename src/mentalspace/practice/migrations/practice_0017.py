"""Nobody is agreed to be texted without a word in the ledger, and STOP follows the client."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0017"
down_revision = "practice_0016"
branch_labels = None
depends_on = ("engine_0026",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
