"""An incident of a credential left in test mode says who switched it on, and when."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0024"
down_revision = "practice_0023"
branch_labels = None
depends_on = ("engine_0034",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
