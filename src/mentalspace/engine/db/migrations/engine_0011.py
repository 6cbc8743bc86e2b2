"""Whose provider never says what became of what it took: there is no silence to count."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0011"
down_revision = "engine_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "alter table credential add column follows boolean not null default true;"
        "grant select (follows)"
        " on credential to authenticated, mentalspace_dispatcher, mentalspace_oncall"
    )
