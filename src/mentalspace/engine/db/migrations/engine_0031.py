"""Incidents of one cause are led by the first; a known one is archived until it gets worse."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0031"
down_revision = "engine_0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
    alter table incident
      add column cause             text,                    -- what it shares with other practices'
      add column lead_id           uuid references incident,
      add column archived_at       timestamptz,
      add column archived_by       text,
      add column archived_people   bigint,                  -- as many as there were then
      add column archived_severity text;
    create index incident_of_cause on incident (cause, opened_at) where status <> 'resolved';
    create index incident_led_by on incident (lead_id) where lead_id is not null;
    """)
