"""Booking, moving, cancelling and reading appointments, clients, tasks and deliveries."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mentalspace.practice.person import Role
from mentalspace.practice.token import mint_token
from tests.api.conftest import Api, Reply


async def test_book_move_cancel(api: Api, booking: dict[str, Any]) -> None:
    """A booking can be read, moved and called off, and every step leaves its mail."""
    made = await api.call("POST", "/v1/appointments", booking, role="front_desk")
    assert made.http == 201, made.raw
    path = made.headers["location"]
    assert made.body["starts_at"] == "2031-03-04T15:30:00Z"
    assert (made.body["timezone"], made.body["version"]) == ("America/Chicago", 1)
    assert (await api.call("GET", path)).body == made.body

    moved = await api.call("PATCH", path, {"starts_at": "2031-03-05T09:30:00-06:00"})
    assert (moved.http, moved.body["version"], moved.body["duration_min"]) == (200, 2, 50)
    longer = await api.call("PATCH", path, {"duration_min": 90})
    assert (longer.body["starts_at"], longer.body["duration_min"]) == ("2031-03-05T15:30:00Z", 90)

    for _ in range(2):
        off = await api.call("POST", f"{path}/cancel")
        assert (off.http, off.body["status"], off.body["version"]) == (200, "cancelled", 4)
    late = await api.call("PATCH", path, {"duration_min": 30})
    assert (late.http, late.body["code"]) == (409, "appointment_cancelled")

    audited = await api.admin.fetch(
        "select action from audit where subject = $1 order by id", made.body["id"]
    )
    assert [row["action"].partition(".")[2] for row in audited] == [
        "booked",
        "read",
        "moved",
        "moved",
        "cancelled",
    ]
    mails = await api.call("GET", f"/v1/deliveries?subject_id={made.body['id']}")
    assert {mail["kind"]: mail["status"] for mail in reversed(mails.body["items"])} == {
        "appointment_created": "cancelled",
        "appointment_updated": "cancelled",
        "reminder": "cancelled",
        "appointment_cancelled": "pending",
    }


async def test_a_delivery_tells_its_story_and_names_nobody(
    api: Api, booking: dict[str, Any]
) -> None:
    """A delivery comes with its timeline; on-call reads it too; no address is in it."""
    made = await api.call("POST", "/v1/appointments", booking)
    listed = await api.call("GET", f"/v1/deliveries?subject_id={made.body['id']}")
    path = f"/v1/deliveries/{listed.body['items'][0]['id']}"
    for role in ("front_desk", "oncall"):
        one = await api.call("GET", path, role=role)
        assert [moment["kind"] for moment in one.body["timeline"]] == ["delivery_created"]
        assert one.body["tries"] == []
        assert b"clients.example" not in one.raw
        assert b"Zelda" not in one.raw


async def test_the_same_external_id_is_a_conflict(api: Api, booking: dict[str, Any]) -> None:
    """Booking what the calendar has already changes nothing and says so."""
    assert (await api.call("POST", "/v1/appointments", booking)).http == 201
    again = await api.call("POST", "/v1/appointments", {**booking, "client_name": "Other Name"})
    assert (again.http, again.body["code"]) == (409, "appointment_exists")
    clients = await api.call("GET", f"/v1/clients?external_id={booking['client_external_id']}")
    assert [client["name"] for client in clients.body["items"]] == ["Zelda Quillfeather"]


async def test_lists_come_a_page_at_a_time(api: Api, booking: dict[str, Any]) -> None:
    """Following `next` gives every row once and in order, also while rows are added."""
    client: dict[str, Any] = {}
    ids = []
    for number in range(5):
        new = {**booking, "external_id": f"{booking['external_id']}-{number}"}
        new["starts_at"] = f"2032-01-0{number + 1}T12:00:00+00:00"
        client = (await api.call("POST", "/v1/appointments", new)).body
        ids.append(client["id"])
    seen: list[str] = []
    cursor = ""
    query = f"/v1/appointments?limit=2&client_id={client['client_id']}"
    while True:
        page = (await api.call("GET", query + cursor)).body
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
        early = {**booking, "external_id": f"{booking['external_id']}-x{len(seen)}"}
        early["starts_at"] = "2031-01-01T12:00:00+00:00"
        assert (await api.call("POST", "/v1/appointments", early)).http == 201
    assert seen == ids


async def test_filters(api: Api, booking: dict[str, Any]) -> None:
    """The calendar is filtered by span, half open, and by status."""
    made = (await api.call("POST", "/v1/appointments", booking)).body
    one = f"/v1/appointments?client_id={made['client_id']}"
    for query, count in (
        ("&starts_from=2031-03-04T15:30:00Z", 1),
        ("&starts_from=2031-03-04T15:30:01Z", 0),
        ("&starts_before=2031-03-04T15:30:00Z", 0),
        ("&status=scheduled", 1),
        ("&status=cancelled", 0),
    ):
        assert len((await api.call("GET", one + query)).body["items"]) == count, query


async def test_a_client_sees_only_their_own(api: Api, booking: dict[str, Any]) -> None:
    """A client's token shows their appointments and deliveries, and nobody else's."""
    mine = (await api.call("POST", "/v1/appointments", booking)).body
    other = {**booking, "external_id": booking["external_id"] + "-o", "client_external_id": "o-1"}
    others = (await api.call("POST", "/v1/appointments", other)).body
    token = mint_token(
        api.services.jwt_secret,
        user_id=uuid4(),
        role="client",
        practice_id=api.practices["lakeside"],
        client_id=mine["client_id"],
    )
    headers = {"Authorization": f"Bearer {token}"}
    listed = await api.call("GET", "/v1/appointments?limit=200", headers=headers)
    assert [item["id"] for item in listed.body["items"]] == [mine["id"]]
    hidden = await api.call("GET", f"/v1/appointments/{others['id']}", headers=headers)
    assert hidden.http == 404
    deliveries = await api.call("GET", "/v1/deliveries?limit=200", headers=headers)
    assert {item["subject_id"] for item in deliveries.body["items"]} == {mine["id"]}


async def test_clients(api: Api) -> None:
    """A client is made once, read back with what was given, and audited when read."""
    external_id = f"c-{uuid4()}"
    new = {"external_id": external_id, "name": "Ana Öst", "phone": "+1 212 555 0100"}
    made = await api.call("POST", "/v1/clients", new)
    assert (made.http, made.body["language"], made.body["email"]) == (201, "en", None)
    assert (await api.call("GET", made.headers["location"])).body == made.body
    again = await api.call("POST", "/v1/clients", new)
    assert (again.http, again.body["code"]) == (409, "client_exists")
    audited = await api.admin.fetchval(
        "select count(*) from audit where action = 'client.read' and subject = $1",
        made.body["id"],
    )
    assert audited == 1


async def _made(api: Api) -> dict[str, Any]:
    new = {"external_id": f"c-{uuid4()}", "name": "Ana"}
    made: dict[str, Any] = (await api.call("POST", "/v1/clients", new)).body
    return made


@pytest.mark.parametrize(
    ("sent", "code", "pointer", "said"),
    [
        ({"phone": "+1 202 555 01"}, "number_wrong", "/body/phone", "too_short"),
        ({"phone": "555"}, "request_invalid", "/body/phone", "not_a_phone"),
        ({"email": "ana@"}, "request_invalid", "/body/email", "not_an_email"),
        ({"name": "Ana"}, "request_invalid", "/body", "extra_forbidden"),
        ({}, "nothing_to_change", None, None),
    ],
)
async def test_a_number_that_is_none_is_refused_and_nothing_saved(
    api: Api, sent: dict[str, str], code: str, pointer: str | None, said: str | None
) -> None:
    """What is wrong is named with its place and a cure; even a good address beside it waits."""
    made = await _made(api)
    path = f"/v1/clients/{made['id']}"
    refused = await api.call("PATCH", path, sent)
    assert (refused.http, refused.body["code"]) == (422, code)
    faults = refused.body.get("errors", [])
    assert [(f["pointer"], f["code"]) for f in faults] == ([(pointer, said)] if pointer else [])
    assert all("cure" in fault for fault in faults)
    assert (await api.call("GET", path)).body == made


async def test_a_number_is_put_right_however_it_is_typed(api: Api) -> None:
    """Kept as typed and as dialled, with what kind it is; a landline says that it gets no texts;
    its task is done, and the change is audited."""
    made = await _made(api)
    path = f"/v1/clients/{made['id']}"
    await api.admin.execute(
        "insert into task (practice_id, for_role, text, client_id, topic)"
        " values ($1, 'front_desk', 'Ask', $2, 'phone')",
        api.practices["lakeside"],
        made["id"],
    )
    kept = ("phone", "phone_e164", "phone_kind", "phone_problem")
    for typed, dialled in (
        ("(202) 555-0142", ("+12025550142", "either", None)),
        ("+44 20 7946 0958", ("+442079460958", "landline", "landline")),
    ):
        put = await api.call("PATCH", path, {"phone": typed, "email": None}, role="front_desk")
        assert (put.http, tuple(put.body[name] for name in kept)) == (200, (typed, *dialled))
    assert (await api.call("GET", path)).body == put.body
    assert await api.admin.fetchval("select state from task where client_id = $1", made["id"]) == (
        "done"
    )
    audited = "select count(*) from audit where action = 'client.reach_changed' and subject = $1"
    assert await api.admin.fetchval(audited, made["id"]) == 2
    others = await api.call("PATCH", path, {"phone": "202 555 0143"}, practice="mesa")
    assert others.http == 404


async def test_the_part_2_mark_goes_on_by_staff_and_comes_off_by_administrators(api: Api) -> None:
    """Off it comes with a reason alone, and what is refused changes nothing else either; each
    change is audited once."""
    made = await _made(api)
    path = f"/v1/clients/{made['id']}"

    async def put(role: Role = "administrator", **to: Any) -> Reply:
        return await api.call("PATCH", path, to, role=role)

    for _twice in range(2):
        marked = await put("front_desk", part2=True)
        assert (marked.http, marked.body["part2"]) == (200, True)
    why = "Marked by mistake: another client's form"
    wrong = await put("front_desk", part2=False, reason=why, email="ana@demo.example")
    assert (wrong.http, wrong.body["code"]) == (403, "administrator_only")
    wrong = await put(part2=False, reason=" ", email="ana@demo.example")
    assert (wrong.http, wrong.body["errors"][0]["pointer"]) == (422, "/body/reason")
    now = (await api.call("GET", path)).body
    assert (now["part2"], now["email"]) == (True, None)
    ended = await put(part2=False, reason=why, email="ana@demo.example")
    assert (ended.body["part2"], ended.body["email"]) == (False, "ana@demo.example")
    audited = await api.admin.fetch(
        "select action, data ->> 'reason' as reason from audit"
        " where action ~ 'client.part2' and subject = $1 order by seq",
        made["id"],
    )
    assert [tuple(row) for row in audited] == [
        ("client.part2_marked", None),
        ("client.part2_unmarked", why),
    ]
    assert (await api.call("PATCH", path, {"part2": True}, practice="mesa")).http == 404


async def test_tasks(api: Api) -> None:
    """A task is listed while open, and doing it twice keeps the first who did."""
    task_id = await api.admin.fetchval(
        "insert into task (practice_id, for_role, text) values ($1, 'front_desk', 'call back')"
        " returning id",
        api.practices["lakeside"],
    )
    listed = await api.call("GET", "/v1/tasks?state=open&for_role=front_desk", role="biller")
    assert str(task_id) in [task["id"] for task in listed.body["items"]]
    first = await api.call("POST", f"/v1/tasks/{task_id}/done", role="front_desk")
    by = await api.admin.fetchval("select done_by from task where id = $1", task_id)
    second = await api.call("POST", f"/v1/tasks/{task_id}/done", role="front_desk")
    assert first.body == second.body
    assert first.body["state"] == "done"
    assert await api.admin.fetchval("select done_by from task where id = $1", task_id) == by
    listed = await api.call("GET", "/v1/tasks?state=open")
    assert str(task_id) not in [task["id"] for task in listed.body["items"]]
