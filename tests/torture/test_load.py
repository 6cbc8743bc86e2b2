"""The campaign's load knows when to stop booking."""

from __future__ import annotations

from pathlib import Path
from random import Random

from mentalspace.main import MentalSpace
from tests.cli.commands import environment_of
from tests.torture.load import Load


async def test_nothing_is_booked_on_top_of_much_that_waits(admin_url: str, tmp_path: Path) -> None:
    """A queue as long as it may be holds the front desks back; a shorter one does not."""
    app = MentalSpace(environment_of(tmp_path, DATABASE_URL=admin_url))
    await app._prepare(admin_url, lambda _line: None)
    async with app.open_services(pool_size=2) as services:
        async with services.database.as_dispatcher() as connection:
            practice_id = await connection.fetchval("select id from practice where is_default")
        load = Load(services, [practice_id], Random(1), per_s=1.0, most_waiting=1)
        assert not await load._much_waits()
        await load._book()
        assert len(load.acknowledged) == 1
        assert await load._much_waits()
