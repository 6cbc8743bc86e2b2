"""Every rule has a state with every credential, and a past; silences; a practice's hours."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0034"
down_revision = "engine_0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
