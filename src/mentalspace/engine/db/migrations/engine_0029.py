"""Whether a credential's provider is asked what kind of line a number is, which costs."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0029"
down_revision = "engine_0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "alter table credential add column looks_up_numbers boolean not null default false;"
        "grant select (looks_up_numbers)"
        " on credential to authenticated, mentalspace_dispatcher, mentalspace_oncall"
    )
