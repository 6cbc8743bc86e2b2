"""Which request of ours a webhook came by."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0030"
down_revision = "engine_0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table inbox add column traceparent text, add column request_id text;")
