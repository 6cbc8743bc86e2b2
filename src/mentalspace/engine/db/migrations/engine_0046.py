"""How the last of our own questions to a provider ended, not the last one alone."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0046"
down_revision = "engine_0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
