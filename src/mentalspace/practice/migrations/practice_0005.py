"""What a client cancels by a link is a task for the front desk."""

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0005"
down_revision = "practice_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("grant insert on task to authenticated;")
