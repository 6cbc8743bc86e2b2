"""A colleague's note goes into the consent ledger with the opt-out that it explains."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0015"
down_revision = "practice_0014"
branch_labels = None
depends_on = ("engine_0017",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
