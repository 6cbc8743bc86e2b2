"""What somebody adds to a fresh room who needs a table and an address of the API for it."""

from __future__ import annotations

from pathlib import Path

_MIGRATION = '''"""The numbers that a practice is reached at."""

from pathlib import Path

from mentalspace.engine.db.migrate import run_sql

revision = "fax_0001"
down_revision = None
branch_labels = ("fax",)
depends_on = ("engine_0001",)


def upgrade() -> None:
    run_sql(Path(__file__).with_suffix(".sql").read_text())
'''
_SQL = """create table fax_line (
  practice_id uuid primary key references practice,
  pages_kept  integer not null check (pages_kept > 0)
);
call app.protect('fax_line');
grant select on fax_line to authenticated;
"""
_ROUTES = '''"""What other programs may ask the room."""

from __future__ import annotations

from fastapi import APIRouter


def routes() -> APIRouter:
    router = APIRouter(tags=["fax"])

    @router.get("/v1/fax/pages", summary="How many pages one fax may have")
    async def pages() -> dict[str, int]:
        return {"most": 200}

    return router
'''
_MODEL_IMPORT = "from mentalspace.integrations.fax.model import guard, sample\n"


def fill(room: Path) -> None:
    """A migration and a route for the room `fax`, joined to it in its own `room.py`."""
    migrations = room / "migrations"
    migrations.mkdir()
    migrations.joinpath("fax_0001.py").write_text(_MIGRATION)
    migrations.joinpath("fax_0001.sql").write_text(_SQL)
    room.joinpath("routes.py").write_text(_ROUTES)
    seam = room / "room.py"
    text = seam.read_text()
    assert text.count(_MODEL_IMPORT) == 1
    assert text.count("sample=sample,\n") == 1
    text = text.replace(
        _MODEL_IMPORT, f"{_MODEL_IMPORT}from mentalspace.integrations.fax.routes import routes\n"
    )
    seam.write_text(text.replace("sample=sample,\n", "sample=sample,\n    routes=routes,\n"))
