"""How many days ahead the end of an agreement was told of."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0008"
down_revision = "engine_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql(
        "alter table vendor_agreement add column warned_days integer;"
        "grant update (warned_days) on vendor_agreement to mentalspace_worker;"
        "grant select (warned_days) on vendor_agreement to mentalspace_worker"
    )
