"""Whom nobody writes to any more, why, and writing to them again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from mentalspace.console.door import Forbidden, Missing, Visit
from mentalspace.console.queries.suppression import PAGE, count_suppressed, read_suppressed
from mentalspace.kernel.errors import Refused
from mentalspace.practice.suppression import clients_of, lift_suppression

_DONE = {
    "lifted": "They are written to again. What was refused meanwhile is not sent after all.",
    "too_late": "Nothing changed: it was lifted already.",
}
_PAGE = re.compile(r"[0-9]{1,4}")


async def suppressed(visit: Visit) -> Response:
    """On-call sees how many and why; whom they are about is the practice's affair."""
    page = int(visit.query("page")) if _PAGE.fullmatch(visit.query("page")) else 0
    now: list[Any] = []
    lifted: list[Any] = []
    async with visit.reading() as connection:
        counts = await count_suppressed(connection)
        if not visit.is_oncall:
            now = await read_suppressed(connection, lifted=False, offset=page * PAGE)
            lifted = await read_suppressed(connection, lifted=True)
            people = await _people(visit, connection, [*now, *lifted])
    if not visit.is_oncall:
        await visit.note_reading("suppressions.read")
    return await visit.show(
        "suppressed.html",
        counts=counts,
        rows=[(row, people[row["id"]]) for row in now[:PAGE]],
        lifted=[(row, people[row["id"]]) for row in lifted[:PAGE]],
        page=page,
        has_more=len(now) > PAGE,
        done=_DONE.get(visit.query("done")),
    )


async def lift(visit: Visit) -> Response:
    person = visit.person
    if person.practice_id is None:
        raise Forbidden("A person of the practice lifts it, who can ask the client.")
    try:
        async with visit.reading() as connection:
            lifted = await lift_suppression(
                connection,
                person.practice_id,
                visit.id(),
                client_asked=visit.field("asked") == "1",
                actor=str(person.user_id),
                name=person.name,
            )
    except Refused as error:
        raise Forbidden(
            "After a complaint or an opt-out the client must have asked for it."
        ) from error
    if lifted is None:
        raise Missing
    return visit.go(f"/suppressed?done={'lifted' if lifted else 'too_late'}")


async def _people(visit: Visit, connection: Any, rows: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """For each row whose address it is: the client's id and name, and the `address` if it is one
    they have today; neither for somebody who is no client."""
    practice_id, vault = visit.person.practice_id, visit.services.vault
    assert practice_id is not None
    nameless = [row["recipient_key"] for row in rows if row["client_id"] is None]
    found = await clients_of(connection, vault, practice_id, nameless)
    people = {}
    for row in rows:
        client, name = row["client_id"], row["client_name"]
        addresses = (row["client_email"], row["client_number"])
        if client is None and (known := found.get(row["recipient_key"])):
            client, name = known["id"], known["name"]
            addresses = (known["email"], known["phone_e164"])
        today = [
            each
            for each in addresses
            if each and vault.recipient_key(practice_id, each) == row["recipient_key"]
        ]
        people[row["id"]] = {"id": client, "name": name, "address": today[0] if today else None}
    return people
