"""The fleet page: every integration at a glance, open incidents first."""

from __future__ import annotations

from starlette.responses import Response

from mentalspace.console.door import Visit
from mentalspace.console.queries.fleet import (
    drills_of,
    is_alive,
    last_drills,
    read_fleet,
    read_heartbeats,
)
from mentalspace.console.queries.incident import open_incidents
from mentalspace.kernel.case import Fault


async def home(visit: Visit) -> Response:
    """Operations see the fleet; a practice's staff begin with their day."""
    if not visit.person.may("incidents.read"):
        return visit.go("/appointments")
    recipients = [c.id for c in visit.services.runbooks.cases if c.fault is Fault.RECIPIENT]
    async with visit.reading() as connection:
        cards = await read_fleet(connection, recipients)
        incidents = await open_incidents(connection)
    # Processes and drills belong to the installation and name no practice.
    async with visit.services.database.as_oncall() as connection:
        heartbeats = await read_heartbeats(connection)
        drills = await last_drills(connection)
    rooms = {card.credential["integration"] for card in cards}
    return await visit.show(
        "fleet.html",
        cards=cards,
        incidents=incidents,
        heartbeats=[(beat, is_alive(beat)) for beat in heartbeats],
        drills={room: drills_of(room, drills) for room in rooms},
    )
