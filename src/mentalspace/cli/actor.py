"""Who it is that types: the name that stands beside what they did."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

COMMAND_LINE = "command line"
_ON_CALL = """
select u.name from app_user u join membership m on m.user_id = u.id
 where lower(u.email) = lower($1) and u.active and m.role = 'oncall'
"""


async def on_call_actor(services: Services, email: str) -> str:
    """Nobody has signed in here, and the timeline says so. Raises Refused where nobody on call has
    that address."""
    from mentalspace.engine.pulse import bound_waits

    async with services.database.as_door() as connection:
        await bound_waits(connection)
        name = await connection.fetchval(_ON_CALL, email)
    if name is None:
        raise Refused("no_such_person", "nobody who is on call signs in with that address")
    return f"{name} ({COMMAND_LINE})"


def login_actor() -> str:
    """Whoever is logged in at this terminal, behind a sudo too: `noor (command line)`."""
    for ask in (os.getlogin, getpass.getuser):
        try:
            return f"{ask()} ({COMMAND_LINE})"
        except (KeyError, OSError):  # no terminal, or nobody of that number
            continue
    return COMMAND_LINE
