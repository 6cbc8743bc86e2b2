"""Switching a credential's test mode off from its incident: a page that says what it would do, then
the act."""

from __future__ import annotations

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.engine.remedy.act import LONGEST_REASON
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.former_secret import Wish
from mentalspace.workflows.test_mode_off import ACT, look_at_test_mode, switch_off

TOLD = (
    "Test mode is off: what falls due goes out, and it is over with the first that is taken. What"
    " was refused stays so."
)


async def ask(visit: Visit) -> Response:
    """What it would do now; nothing changes."""
    return await _page(visit)


async def do(visit: Visit) -> Response:
    wish = Wish(
        who=visit.person.name,
        actor=str(visit.person.user_id),
        reason=visit.field("reason"),
        incident_id=visit.id(),
        claims=visit.person.claims(),
    )
    try:
        await switch_off(visit.services, visit.id(), wish)
    except Refused as error:
        return await _page(visit, refused=words.sentence(str(error)), http=409)
    return visit.go(f"/incidents/{visit.id()}?done={ACT}")


async def _page(visit: Visit, *, refused: str | None = None, http: int = 200) -> Response:
    try:
        looked = await look_at_test_mode(visit.services, visit.id())
    except Refused as error:
        raise Missing from error
    row = looked.row
    return await visit.show(
        "preflight.html",
        http=http,
        credential=row,
        back=f"/incidents/{visit.id()}",
        act=ACT,
        looked=looked,
        needs_reason=True,
        refused=refused,
        longest=LONGEST_REASON,
        provider=visit.provider_title(row["integration"], row["provider"]),
    )
