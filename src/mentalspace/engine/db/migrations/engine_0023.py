"""Who set a breaker by hand, and whether what waits goes over meanwhile; on-call may set one."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0023"
down_revision = "engine_0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
    alter table credential_state
      add column override_by    text,
      add column override_moves boolean not null default false;  -- what waits goes over
    grant update (override_state, override_reason, override_until, override_by, override_moves)
      on credential_state to mentalspace_oncall;
    """)
