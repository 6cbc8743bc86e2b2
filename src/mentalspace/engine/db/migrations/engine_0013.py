"""Webhooks keep the query of the address they came to: it may name a delivery."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0013"
down_revision = "engine_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("alter table inbox add column query text not null default ''")
