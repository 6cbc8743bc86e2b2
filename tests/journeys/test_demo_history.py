"""A made-up practice goes on living: the worker takes up what its history left in flight."""

from __future__ import annotations

from datetime import timedelta

from mentalspace.engine.db import connect_owner
from mentalspace.workflows.demo_history import Wanted, make_history
from tests.house import House, until

_TROUBLED = """
select id from delivery where attempts = 1 and status in ('unknown', 'pending')
   and integration = 'email'
"""
_NEXT = """
select id, due_at from delivery where status = 'pending' and attempts = 0
   and integration = 'email' order by due_at limit 1
"""
_ENDED = """
select coalesce(bool_and(status = 'delivered' and attempts = $2), false) from delivery
 where id = any($1)
"""


async def test_what_is_in_flight_arrives(house: House) -> None:
    """What was unknown is asked after, what was to be tried again is, and a reminder leaves when
    its time comes; only what a person has to decide on waits on."""
    services = house.services
    async with connect_owner(services.admin_url) as owner:
        wanted = Wanted(50, seed=7)
        await make_history(services, owner, wanted, password="-", now=services.clock.now())
        troubled = [row["id"] for row in await owner.fetch(_TROUBLED)]
        assert troubled
        await until(lambda: owner.fetchval(_ENDED, troubled, 2))
        soonest = await owner.fetchrow(_NEXT)
        await house.advance(soonest["due_at"] - services.clock.now() + timedelta(seconds=5))
        await until(lambda: owner.fetchval(_ENDED, [soonest["id"]], 1))
        assert await owner.fetchval("select count(*) from delivery where status = 'held'")
