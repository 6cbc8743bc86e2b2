"""What was taken and never heard of again is listed for a person, who may ask once more."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0025"
down_revision = "engine_0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
