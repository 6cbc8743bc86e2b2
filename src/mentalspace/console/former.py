"""A credential's former secret: a page that asks its provider and says what bringing it back would
do, then the act; and wiping it for good."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.incident import find_incident
from mentalspace.engine.remedy.act import LONGEST_REASON
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.former_secret import (
    ACT,
    Wish,
    bring_back,
    forget,
    look_at_former,
)

_NAMED = """
select c.id, c.integration, c.provider, c.endpoint, p.name as practice_name
  from credential c join practice p on p.id = c.practice_id
 where c.id = $1 and c.active and c.drill is null
"""


async def ask_at_incident(visit: Visit) -> Response:
    """What it would do now; nothing changes but what is known of the provider's answer."""
    return await _page(visit, await _credential_of(visit), visit.id())


async def do_at_incident(visit: Visit) -> Response:
    return await _do(visit, await _credential_of(visit), visit.id())


async def ask_at_credential(visit: Visit) -> Response:
    return await _page(visit, visit.id(), None)


async def do_at_credential(visit: Visit) -> Response:
    return await _do(visit, visit.id(), None)


async def wipe(visit: Visit) -> Response:
    """For good, as after a leak."""
    try:
        await forget(visit.services, visit.id(), _wish(visit, None))
    except Refused as error:
        return await _page(visit, visit.id(), None, refused=words.sentence(str(error)), http=409)
    return visit.go(f"/credentials/{visit.id()}?done=forgotten")


def told(count: str) -> str | None:
    """What is shown once it is brought back."""
    if not count.isdecimal() or len(count) > 6:
        return None
    messages = words.count(int(count), "message")
    return (
        f"The former one is in use again; {messages} waited, and what may leave goes. What it"
        " replaced is kept in its place."
    )


async def _do(visit: Visit, credential_id: UUID, incident_id: UUID | None) -> Response:
    try:
        count = await bring_back(visit.services, credential_id, _wish(visit, incident_id))
    except Refused as error:
        refused = words.sentence(str(error))
        return await _page(visit, credential_id, incident_id, refused=refused, http=409)
    return visit.go(f"{_where(credential_id, incident_id)}?done=bring_back&count={count}")


def _wish(visit: Visit, incident_id: UUID | None) -> Wish:
    version = visit.field("version")
    return Wish(
        who=visit.person.name,
        actor=str(visit.person.user_id),
        reason=visit.field("reason"),
        version=int(version) if version.isdecimal() and len(version) < 9 else -1,
        untried=visit.field("untried") == "yes",
        incident_id=incident_id,
        claims=visit.person.claims(),
    )


async def _credential_of(visit: Visit) -> UUID:
    async with visit.services.database.as_oncall() as connection:
        incident = await find_incident(connection, visit.id())
    if incident is None or incident["credential_id"] is None:
        raise Missing
    credential_id: UUID = incident["credential_id"]
    return credential_id


def _where(credential_id: UUID, incident_id: UUID | None) -> str:
    return f"/incidents/{incident_id}" if incident_id else f"/credentials/{credential_id}"


async def _page(
    visit: Visit,
    credential_id: UUID,
    incident_id: UUID | None,
    *,
    refused: str | None = None,
    http: int = 200,
) -> Response:
    async with visit.services.database.as_oncall() as connection:
        row = await connection.fetchrow(_NAMED, credential_id)
    if row is None:
        raise Missing
    return await visit.show(
        "former.html",
        http=http,
        credential=row,
        back=_where(credential_id, incident_id),
        act=ACT,
        looked=await look_at_former(visit.services, credential_id, incident_id),
        needs_reason=True,
        refused=refused,
        longest=LONGEST_REASON,
        provider=visit.provider_title(row["integration"], row["provider"]),
    )
