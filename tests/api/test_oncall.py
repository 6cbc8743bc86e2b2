"""The schedule, overrides and tickets by the API: each verb rightly and wrongly asked, and to whom
their rows are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.practice.person import Role
from mentalspace.practice.token import person_of_token
from tests.api.conftest import Api, Reply

NOBODY = UUID(int=0)
SOON = datetime(2031, 5, 1, 18, tzinfo=UTC)


async def _override(api: Api, **changes: Any) -> Reply:
    """An evening of the first on-call rotation, given to somebody who has a name here."""
    person, rotation = await api.admin.fetchrow(
        "select p.id, l.id from oncall_person p, oncall_layer l where p.name = 'Wren Castillo'"
        " and l.target = 'oncall' and l.rank = 1 and l.active"
    ) or (NOBODY, NOBODY)
    body = {
        "rotation_id": str(rotation), "person_id": str(person), "starts_at": SOON.isoformat(),
        "ends_at": (SOON + timedelta(hours=4)).isoformat(), "reason": "Recital",
    }  # fmt: skip
    return await api.call("POST", "/v1/on-call/overrides", body | changes, role="oncall")


async def _schedule(api: Api, since: datetime, until: datetime, **how: Any) -> Reply:
    span = f"since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
    return await api.call("GET", f"/v1/on-call?{span}", **how)


async def test_an_override_holds_from_its_first_minute_until_it_is_called_off(api: Api) -> None:
    """The schedule shows whose evening it is, before, during and after; called off twice, the
    second changes nothing."""
    span = SOON - timedelta(hours=1), SOON + timedelta(hours=5)
    made = await _override(api)
    assert made.http == 201, made.raw
    seen = (await _schedule(api, *span, role="oncall")).body
    evening = [s for s in seen["shifts"] if (s["target"], s["rank"]) == ("oncall", 1)]
    assert [s["override_id"] for s in evening] == [None, made.body["id"], None]
    assert evening[1]["person"] == "Wren Castillo"
    assert datetime.fromisoformat(evening[1]["starts_at"]) == SOON
    assert [gap["target"] for gap in seen["gaps"]] == []
    path = f"/v1/on-call/overrides/{made.body['id']}"
    for done in (True, False):
        answer = await api.call("DELETE", path, role="oncall")
        assert (answer.http, answer.body) == (200, {"called_off": done})
    seen = (await _schedule(api, *span, role="oncall")).body
    assert not [s for s in seen["shifts"] if s["override_id"]]
    unknown = await api.call("DELETE", f"/v1/on-call/overrides/{NOBODY}", role="oncall")
    assert (unknown.http, unknown.body["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"ends_at": SOON.isoformat()}, "/body/ends_at", "ends_before_it_begins"),
        ({"ends_at": "2031-12-31T00:00:00Z"}, "/body/ends_at", "too_long"),
        ({"starts_at": "2031-05-01T18:00"}, "/body/starts_at", "no_offset"),
        ({"starts_at": "this evening"}, "/body/starts_at", "not_an_instant"),
        ({"rotation_id": str(NOBODY)}, "/body/rotation_id", "no_such_layer"),
        ({"rotation_id": "first"}, "/body/rotation_id", "uuid_parsing"),
        ({"person_id": str(NOBODY)}, "/body/person_id", "no_such_person"),
        ({"reason": "x" * 201}, "/body/reason", "string_too_long"),
    ],
)
async def test_a_wrong_override_says_what_and_where(
    api: Api, changes: dict[str, str], pointer: str, code: str
) -> None:
    """Each field's mistake is named with its place, and nothing is made."""
    before = await api.admin.fetchval("select count(*) from oncall_override")
    answer = await _override(api, **changes)
    assert answer.http == 422
    [fault] = answer.body["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)
    assert await api.admin.fetchval("select count(*) from oncall_override") == before


async def test_a_span_that_cannot_be_shown_is_named(api: Api) -> None:
    """Turned round, too long, or no instant at all; without any it is four weeks from now, for an
    administrator too, and nobody's address is in it."""
    for until in (SOON, SOON + timedelta(days=93)):
        answer = await _schedule(api, SOON, until)
        assert (answer.http, answer.body["errors"][0]["pointer"]) == (422, "/query/until")
    answer = await api.call("GET", "/v1/on-call?since=yesterday")
    assert (answer.http, answer.body["errors"][0]["pointer"]) == (422, "/query/since")
    answer = await api.call("GET", "/v1/on-call")
    first, last = answer.body["shifts"][0], answer.body["shifts"][-1]
    assert first["target"] == "oncall"
    assert last["person"] == "Marisol Vega"
    assert b"@" not in answer.raw
    assert b"://" not in answer.raw


async def _ticket(api: Api, practice: str, kind: str = "ticket") -> UUID:
    """Left by an incident of that practice."""
    incident = await api.admin.fetchval(
        "insert into incident (key, rule_id, integration, practice_id, severity, title, fault,"
        " since, ack_due_at) values ($1, 'email.x', 'email', $2, 'medium', 'x', 'ours', app.now(),"
        " app.now()) returning id",
        str(uuid4()),
        api.practices[practice],
    )
    ticket: UUID = await api.admin.fetchval(
        "insert into incident_task (incident_id, kind, position, text)"
        " values ($1, $2, 0, 'Add an index') returning id",
        incident,
        kind,
    )
    return ticket


async def test_a_ticket_is_closed_once_with_what_was_done(api: Api) -> None:
    """It goes from the open to the done ones, and says who and what; the second closing changes
    neither. What is no ticket, or an unknown state, is refused."""
    ticket = await _ticket(api, "lakeside")
    path = f"/v1/tickets/{ticket}/close"
    long = await api.call("POST", path, {"note": "x" * 501}, role="oncall")
    assert (long.http, long.body["errors"][0]["pointer"]) == (422, "/body/note")
    for note, closed in (("index added", True), ("by me", False)):
        answer = await api.call("POST", path, {"note": note}, role="oncall")
        assert (answer.http, answer.body) == (200, {"closed": closed})
    listed = {one["id"]: one for one in await _listed(api, "done", role="oncall")}
    assert listed[str(ticket)]["note"] == "index added"
    assert str(ticket) not in {one["id"] for one in await _listed(api, "open", role="oncall")}
    step = await _ticket(api, "lakeside", kind="step")
    for unknown in (step, NOBODY):
        answer = await api.call("POST", f"/v1/tickets/{unknown}/close", {}, role="oncall")
        assert answer.http == 404
    wrong = await api.call("GET", "/v1/tickets?state=lost", role="oncall")
    assert (wrong.http, wrong.body["errors"][0]["pointer"]) == (422, "/query/state")


async def _listed(api: Api, state: str, **how: Any) -> list[dict[str, Any]]:
    answer = await api.call("GET", f"/v1/tickets?state={state}&limit=200", **how)
    assert answer.http == 200, answer.raw
    found: list[dict[str, Any]] = answer.body
    return found


async def test_a_practice_sees_its_own_tickets_and_no_others(api: Api) -> None:
    """By the API and by the database itself, whatever the code forgot to ask: the rows of another
    practice are not there, a front desk has none, and none of them changes one or reads how
    colleagues are reached."""
    tickets = {name: str(await _ticket(api, name)) for name in ("lakeside", "mesa")}
    for own, other in (("lakeside", "mesa"), ("mesa", "lakeside")):
        seen = {one["id"] for one in await _listed(api, "open", practice=own)}
        assert (tickets[own] in seen, tickets[other] in seen) == (True, False)
    roles: tuple[Role, ...] = ("administrator", "front_desk")
    for role in roles:
        claims = _claims(api, role, "mesa")
        async with api.services.database.as_user(claims) as connection:
            rows = await connection.fetch("select id from incident_task")
            found = {str(row["id"]) for row in rows}
        assert tickets["lakeside"] not in found
        assert (tickets["mesa"] in found) == (role == "administrator")
        for forbidden in (
            "update incident_task set done_at = app.now()",
            "select address from oncall_contact",
            "insert into oncall_person (name) values ('Mallory')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with api.services.database.as_user(claims) as connection:
                    await connection.execute(forbidden)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with api.services.database.as_oncall() as connection:
            await connection.execute("select address from oncall_contact")


def _claims(api: Api, role: Role, practice: str) -> dict[str, Any]:
    secret = api.services.jwt_secret
    return person_of_token(secret, api.token(role, practice)).claims()
