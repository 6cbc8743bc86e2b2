"""Whether a version of a document is still kept here: then a copy that ended may go again."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "storage_0030"
down_revision = "storage_0029"
branch_labels = None
depends_on = ("engine_0041",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
