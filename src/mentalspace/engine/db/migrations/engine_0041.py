"""Whoever may send an ended delivery again sees whether what it said is still on record."""

from alembic import op

revision = "engine_0041"
down_revision = "engine_0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("grant select (purged_at) on delivery to authenticated, mentalspace_oncall")
