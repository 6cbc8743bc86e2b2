"""A batch's members are found by the links of its first attempt; their own index only cost."""

from mentalspace.engine.db.migrate import run_sql

revision = "engine_0012"
down_revision = "engine_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("drop index delivery_batch")
