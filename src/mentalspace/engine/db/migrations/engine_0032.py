"""Finds what switched off and on within a day, and the few messages that waited long."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0032"
down_revision = "engine_0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
    create index timeline_switched on timeline (at) where kind in
      ('breaker_opened', 'breaker_closed', 'lane_paused', 'lane_resumed');
    create index delivery_waited on delivery (credential_id, (coalesce(accepted_at, ended_at)))
      where coalesce(accepted_at, ended_at) - due_at > interval '1 minute';
    """)
