"""Links in mails that let somebody choose a password: for a reset, or for the portal."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0007"
down_revision = "practice_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
