"""The register of vendor agreements: what holds today, what ends soon, and what is missing."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.console.words import State
from mentalspace.engine.agreement import NewAgreement, Standing, standings
from mentalspace.kernel.errors import Refused
from mentalspace.practice.agreement import (
    WARN_DAYS,
    read_register,
    record_agreement,
    vendors,
    withdraw_agreement,
)

_DONE = {
    "recorded": "The agreement is recorded. What waited for it goes out within a second.",
    "revoked": "The agreement is revoked. Live mails that name clients stop at once.",
}
_OVERSEEN = """
select a.id, a.vendor, a.kind, a.signed_on, a.expires_on, a.recorded_at, a.revoked_at,
       app.today(a.practice_id) as today, p.name as practice_name
  from vendor_agreement a join practice p on p.id = a.practice_id
 where a.drill is null order by p.name, a.revoked_at is not null, a.signed_on desc
"""
_FIELDS = ("vendor", "signed", "ends", "reference")
_NAMES = "select id, name from practice"


async def agreements(visit: Visit) -> Response:
    return await _show(visit, done=_DONE.get(visit.query("done")))


async def record(visit: Visit) -> Response:
    given = {name: visit.field(name).strip() for name in _FIELDS}
    person = visit.person
    assert person.practice_id is not None
    try:
        new = NewAgreement(
            practice_id=person.practice_id,
            vendor=given["vendor"],
            signed_on=_day(given["signed"]),
            expires_on=_day(given["ends"]) if given["ends"] else None,
            reference=given["reference"],
        )
        async with visit.reading() as connection:
            await record_agreement(
                connection,
                visit.services.rooms,
                new,
                actor=str(person.user_id),
                name=person.name,
            )
    except Refused as error:
        return await _show(visit, problem=str(error), given=given, http=422)
    return visit.go("/agreements?done=recorded")


async def revoke(visit: Visit) -> Response:
    person = visit.person
    assert person.practice_id is not None
    async with visit.reading() as connection:
        vendor = await withdraw_agreement(
            connection, person.practice_id, visit.id(), actor=str(person.user_id), name=person.name
        )
    if vendor is None:
        raise Missing
    return visit.go("/agreements?done=revoked")


async def _show(
    visit: Visit,
    *,
    problem: str | None = None,
    given: dict[str, str] | None = None,
    done: str | None = None,
    http: int = 200,
) -> Response:
    async with visit.reading() as connection:
        standing = await standings(connection)
        names = {row["id"]: row["name"] for row in await connection.fetch(_NAMES)}
        rows = (
            list(await connection.fetch(_OVERSEEN))
            if visit.is_oncall
            else await read_register(connection)
        )
    known = vendors(visit.services.rooms)
    return await visit.show(
        "agreements.html",
        http=http,
        standings=[(found, names[found.practice_id], standing_state(found)) for found in standing],
        agreements=[(row, _state(row)) for row in rows],
        vendors=known,
        problem=problem,
        given=given or dict.fromkeys(_FIELDS, ""),
        done=done,
    )


def standing_state(standing: Standing) -> State:
    """Whether this credential may carry clients' data today, in words."""
    if standing.test_only:
        return State("Test only", "info", "it reaches the provider’s test recipients, nobody else")
    if not standing.needs_agreement:
        return State("Not needed", "idle", "the sandbox is on this machine")
    if not standing.holds:
        return State("None holds", "bad", "what names clients waits until one is recorded")
    return _holding(standing.ends_on, standing.today)


def _state(row: Any) -> State:
    if row["revoked_at"] is not None:
        return State("Revoked", "idle", "it holds no more")
    if row["expires_on"] is not None and row["expires_on"] <= row["today"]:
        return State("Ended", "idle", f"on {row['expires_on']}")
    if row["signed_on"] > row["today"]:
        return State("Not begun", "info", f"it holds from {row['signed_on']}")
    return _holding(row["expires_on"], row["today"])


def _holding(ends_on: date | None, today: date) -> State:
    if ends_on is None:
        return State("Holds", "ok", "without an end")
    left = (ends_on - today).days
    if left <= WARN_DAYS[0]:
        return State("Ends soon", "warn", f"{words.count(left, 'day')} left")
    return State("Holds", "ok", f"until {ends_on}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_a_day", "give the day as 2026-11-23") from error
