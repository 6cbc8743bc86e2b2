"""Tasks have a topic: what is wrong with one client's address is one task."""

from mentalspace.engine.db.migrate import run_sql

revision = "practice_0009"
down_revision = "practice_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "alter table task add column topic text;"
        "update task set topic = case_id;"
        "create index task_open_topic on task (client_id, topic) where state = 'open'"
    )
