"""Whoever wants no more is counted: the evaluator may see that, and of whom only the keyed hash."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0014"
down_revision = "engine_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
    call app.oversee('suppression', 'mentalspace_dispatcher');
    grant select (id, practice_id, integration, recipient_key, reason, created_at, drill)
      on suppression to mentalspace_dispatcher;
    """)
