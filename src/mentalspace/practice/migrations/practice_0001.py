"""People, clients, appointments, notifications, tasks, imports: the practice's tables."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0001"
down_revision = None
branch_labels = ("practice",)
depends_on = ("engine_0001",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
