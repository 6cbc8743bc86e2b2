"""The safe buttons of an incident: a page that says what one would do, then the act."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.group import members_of
from mentalspace.console.queries.incident import find_incident
from mentalspace.engine.remedy import (
    NAMES,
    Done,
    Name,
    Preflight,
    Standing,
    act_together,
    preflights,
    preflights_together,
    read_all,
    read_standing,
)
from mentalspace.engine.remedy.act import LONGEST_REASON, Order, act
from mentalspace.engine.runbook import Price
from mentalspace.kernel.errors import Refused

# How long what is set by hand may last, in minutes; the first is proposed.
LASTS = (60, 15, 240, 720, 1440)
# Of a larger group the page of an incident counts so many, and the page of a button all.
COUNTED_AT_ONCE = 20


async def ask(visit: Visit) -> Response:
    """What the button would do now; nothing changes."""
    return await _page(visit)


async def do(visit: Visit) -> Response:
    name = _name(visit)
    minutes = visit.field("minutes")
    order = Order(
        visit.person.name,
        visit.field("reason"),
        int(minutes) if minutes.isdecimal() and len(minutes) < 6 else None,
    )
    incident_id = visit.id()
    try:
        async with visit.services.database.as_oncall(visit.person.claims()) as connection:
            incident = await find_incident(connection, incident_id)
            if incident is None:
                raise Missing
            members = await members_of(connection, incident_id)
            if members:
                ids, title = [id_ for id_, _name in members], _title(visit, incident)
                everywhere = await act_together(connection, ids, name, order, title)
            else:
                done = await act(connection, incident_id, name, order, _title(visit, incident))
    except Refused as error:
        return await _page(visit, refused=words.sentence(str(error)), http=409)
    if members:
        told = f"count={everywhere.count}&places={everywhere.places}&not={everywhere.refused}"
        return visit.go(f"/incidents/{incident_id}?done={name}&{told}")
    return visit.go(f"/incidents/{incident_id}?done={name}&count={done.count}")


async def buttons(
    visit: Visit, incident: Any, standing: Standing | None, *, everywhere: bool = False
) -> list[Preflight]:
    """What may be done about it, each with what it would do; none for an incident of nobody's. Of
    one that leads a group for all of it, counted by the pages of the buttons if it is large."""
    if standing is None:
        return []
    async with visit.services.database.as_oncall() as connection:
        members = await members_of(connection, incident["id"])
        counted = members if everywhere else members[:COUNTED_AT_ONCE]
        every = await read_all(connection, counted) if members else []
    if every:
        price = price_of(visit, incident["integration"])
        return preflights_together(every, _title(visit, incident), price)
    return preflights(standing, _title(visit, incident), price_of(visit, incident["integration"]))


def told(name: str, count: str, places: str = "", refused: str = "") -> str | None:
    """What has been done, for the page that is shown afterwards; of a group at how many places."""
    if name not in NAMES or not count.isdecimal() or len(count) > 6:
        return None
    said = _told(name, count)
    if places.isdecimal() and refused.isdecimal() and len(places + refused) < 10:
        said += f" At {places} credentials of the group"
        said += f"; {refused} stayed as they were." if int(refused) else "."
    return said


def _told(name: Name, count: str) -> str:
    done = Done(name, int(count))
    messages = words.count(done.count, "message")
    return {
        "pause": f"{words.count(done.count, 'lane')} paused. What waits is kept.",
        "resume": "The lanes run again. If the cause is still there, the first refusal pauses"
        " them.",
        "hold": f"{messages} held.",
        "replay": f"{messages} on the way again.",
        "switch": f"Switched. {messages} go over; new ones follow.",
        "stop_trying": "Stopped. Nothing is tried until then.",
        "try_anyway": f"{messages} are tried now.",
        "automatic": "The breaker decides by itself again.",
    }[done.name]


async def _page(visit: Visit, *, refused: str | None = None, http: int = 200) -> Response:
    name, incident_id = _name(visit), visit.id()
    async with visit.services.database.as_oncall() as connection:
        incident = await find_incident(connection, incident_id)
        standing = await read_standing(connection, incident_id) if incident else None
    if incident is None or standing is None:
        raise Missing
    all_of_it = await buttons(visit, incident, standing, everywhere=True)
    looked = next(one for one in all_of_it if one.name == name)
    return await visit.show(
        "remedy.html",
        http=http,
        incident=incident,
        back=f"/incidents/{incident['id']}",
        act=name,
        looked=looked,
        needs_reason=looked.needs_reason,
        refused=refused,
        lasts=LASTS,
        longest=LONGEST_REASON,
        provider=visit.provider_title(incident["integration"], incident["provider"]),
    )


def _name(visit: Visit) -> Name:
    name = str(visit.request.path_params["name"])
    if name not in NAMES:
        raise Missing
    return name


def _title(visit: Visit, incident: Any) -> Any:
    return lambda provider: visit.provider_title(incident["integration"], provider)


def price_of(visit: Visit, integration: str) -> Price | None:
    try:
        return visit.services.runbooks.room(integration).overview.price
    except LookupError:
        return None
