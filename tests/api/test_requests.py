"""What the API answers to those who may not, and to those who send nonsense."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from mentalspace.practice.person import PERMISSIONS, ROLES, Permission, Role
from mentalspace.practice.token import mint_token
from tests.api.conftest import Api, written
from tests.house import write_agreements

NOBODY = UUID("00000000-0000-4000-8000-0000000000ff")
REPLAY = "0123456789ab"

# Every route that asks for a permission, and which.
ROUTES: tuple[tuple[str, str, Permission], ...] = (
    ("GET", "/v1/appointments", "appointments.read"),
    ("GET", f"/v1/appointments/{NOBODY}", "appointments.read"),
    ("POST", "/v1/appointments", "appointments.write"),
    ("PATCH", f"/v1/appointments/{NOBODY}", "appointments.write"),
    ("POST", f"/v1/appointments/{NOBODY}/cancel", "appointments.write"),
    ("GET", "/v1/clients", "clients.read"),
    ("GET", f"/v1/clients/{NOBODY}", "clients.read"),
    ("POST", "/v1/clients", "clients.write"),
    ("PATCH", f"/v1/clients/{NOBODY}", "clients.write"),
    ("GET", "/v1/deliveries", "deliveries.read"),
    ("GET", f"/v1/deliveries/{NOBODY}", "deliveries.read"),
    ("GET", "/v1/dead-letters", "deliveries.decide"),
    ("POST", f"/v1/deliveries/{NOBODY}/again", "deliveries.decide"),
    ("POST", "/v1/dead-letters/replays", "deliveries.decide"),
    ("GET", f"/v1/dead-letters/replays/{REPLAY}", "deliveries.decide"),
    ("POST", f"/v1/dead-letters/replays/{REPLAY}/stop", "deliveries.decide"),
    ("POST", "/v1/dead-letters/unheard/questions", "deliveries.decide"),
    ("POST", "/v1/dead-letters/unheard/put-away", "deliveries.decide"),
    ("GET", "/v1/suppressions", "deliveries.decide"),
    ("POST", f"/v1/suppressions/{NOBODY}/lift", "deliveries.decide"),
    ("GET", "/v1/reminders", "reminders.read"),
    ("PUT", "/v1/reminders", "reminders.write"),
    ("GET", f"/v1/clients/{NOBODY}/reminders", "clients.read"),
    ("PUT", f"/v1/clients/{NOBODY}/reminders", "clients.write"),
    ("GET", f"/v1/clients/{NOBODY}/channels", "clients.read"),
    ("PUT", f"/v1/clients/{NOBODY}/channels", "consent.write"),
    ("GET", f"/v1/clients/{NOBODY}/consent", "clients.read"),
    ("POST", f"/v1/clients/{NOBODY}/consent", "consent.write"),
    ("GET", f"/v1/clients/{NOBODY}/texts", "texts.read"),
    ("POST", f"/v1/clients/{NOBODY}/texts", "texts.write"),
    ("GET", "/v1/tasks", "tasks.read"),
    ("POST", f"/v1/tasks/{NOBODY}/done", "tasks.write"),
    ("GET", "/v1/not-reached", "morning.read"),
    ("POST", "/v1/imports", "imports.write"),
    ("GET", "/v1/imports/rows", "imports.write"),
    ("GET", f"/v1/imports/rows/{NOBODY}", "imports.write"),
    ("POST", f"/v1/imports/rows/{NOBODY}/correct", "imports.write"),
    ("POST", f"/v1/imports/rows/{NOBODY}/discard", "imports.write"),
    ("GET", "/v1/incidents", "incidents.read"),
    ("GET", f"/v1/incidents/{NOBODY}", "incidents.read"),
    ("POST", f"/v1/incidents/{NOBODY}/acknowledge", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/resolve", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/archive", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/unarchive", "incidents.act"),
    ("GET", f"/v1/incidents/{NOBODY}/acts", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/acts/{NOBODY}", "incidents.act"),
    ("GET", f"/v1/lanes/{NOBODY}/{NOBODY}/acts", "incidents.act"),
    ("POST", f"/v1/lanes/{NOBODY}/{NOBODY}/acts/{NOBODY}", "incidents.act"),
    ("GET", f"/v1/incidents/{NOBODY}/acts/bring_back", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/acts/bring_back", "incidents.act"),
    ("GET", f"/v1/incidents/{NOBODY}/acts/test_mode_off", "incidents.act"),
    ("POST", f"/v1/incidents/{NOBODY}/acts/test_mode_off", "incidents.act"),
    ("GET", f"/v1/lanes/{NOBODY}/{NOBODY}/acts/bring_back", "incidents.act"),
    ("POST", f"/v1/lanes/{NOBODY}/{NOBODY}/acts/bring_back", "incidents.act"),
    ("GET", "/v1/tickets", "incidents.read"),
    ("POST", f"/v1/tickets/{NOBODY}/close", "incidents.act"),
    ("GET", "/v1/alerts", "incidents.read"),
    ("GET", f"/v1/alerts/rules/{NOBODY}", "incidents.read"),
    ("GET", "/v1/alerts/silences", "incidents.read"),
    ("POST", "/v1/alerts/silences", "incidents.act"),
    ("POST", f"/v1/alerts/silences/{NOBODY}/lift", "incidents.act"),
    ("GET", "/v1/audit", "audit.read"),
    ("GET", "/v1/on-call", "incidents.read"),
    ("POST", "/v1/on-call/overrides", "oncall.write"),
    ("DELETE", f"/v1/on-call/overrides/{NOBODY}", "oncall.write"),
    ("GET", "/v1/agreements", "agreements.read"),
    ("POST", "/v1/agreements", "agreements.write"),
    ("POST", f"/v1/agreements/{NOBODY}/revoke", "agreements.write"),
)


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
async def test_every_route_asks_for_its_permission(
    api: Api, method: str, path: str, permission: Permission
) -> None:
    """Without a token 401; with a role that lacks the permission 403; with one that has it, in."""
    body: dict[str, str] | None = {} if method != "GET" else None
    nobody = await api.call(method, path, body, role=None)
    assert (nobody.http, nobody.body["code"]) == (401, "not_signed_in")
    assert nobody.headers["www-authenticate"] == "Bearer"
    for role in ROLES:
        answer = await api.call(method, path, body, role=role)
        if permission in PERMISSIONS[role]:
            assert answer.http in (200, 202, 404, 415, 422), (role, answer.raw)
        else:
            assert (answer.http, answer.body["code"]) == (403, "not_allowed"), role


async def test_no_route_is_forgotten_above(api: Api) -> None:
    """Whatever /v1 offers stands in the table, but for hooks and `me`."""
    document = (await api.call("GET", "/openapi.json", role=None)).body
    offered = {
        (method.upper(), re.sub(r"\{.*?\}", str(NOBODY), path.replace("{replay_id}", REPLAY)))
        for path, operations in document["paths"].items()
        if path.startswith("/v1/") and not path.startswith(("/v1/hooks", "/v1/me"))
        for method in operations
    }
    assert offered == {(method, path) for method, path, _ in ROUTES}


async def test_a_session_that_must_enrol_opens_nothing(api: Api) -> None:
    """Before the second factor is set up a session is refused by every route; a token is not
    asked for one."""
    _person, session = await api.sign_in("biller")
    assert (await api.call("GET", "/v1/me", role=None, headers=session)).http == 200
    await api.admin.execute(
        "update session set must_enrol = true where ended_at is null and user_id ="
        " (select id from app_user where email = 'biller@demo.example')"
    )
    for path in ("/v1/me", "/v1/clients"):
        answer = await api.call("GET", path, role=None, headers=session)
        assert (answer.http, answer.body["code"]) == (403, "second_factor_missing")
    assert (await api.call("GET", "/v1/clients", role="biller")).http == 200


async def test_an_agreement_is_recorded_and_revoked(api: Api) -> None:
    """It holds from when it was signed until it is revoked, once; a wrong one says what is."""
    new = {"vendor": "resend", "signed_on": "2026-01-02", "reference": "binder 3"}
    made = await api.call("POST", "/v1/agreements", new)
    assert (made.http, made.body["holds"], made.body["reference"]) == (201, True, "binder 3")
    [seen] = (await api.call("GET", "/v1/agreements", role="oncall")).body
    assert (seen["holds"], seen["reference"]) == (True, None)
    path = f"/v1/agreements/{made.body['id']}/revoke"
    assert (await api.call("POST", path, {}, practice="mesa")).http == 404
    assert (await api.call("POST", path, {})).body["holds"] is False
    assert (await api.call("POST", path, {})).http == 404
    for wrong, code in (
        ({"vendor": "pigeon"}, "no_such_vendor"),
        ({"expires_on": "2026-01-01"}, "ends_before_it_begins"),
        ({"reference": "a\u0000b"}, "bad_reference"),
    ):
        answer = await api.call("POST", "/v1/agreements", {**new, **wrong})
        assert (answer.http, answer.body["code"]) == (422, code)


async def test_other_practices_do_not_exist(api: Api, booking: dict[str, Any]) -> None:
    """Every id of another practice answers 404, to read and to write, and no list shows it."""
    made = await api.call("POST", "/v1/appointments", booking, practice="mesa")
    appointment = made.body
    mails = f"/v1/deliveries?subject_id={appointment['id']}"
    delivery = (await api.call("GET", mails, practice="mesa")).body["items"][0]
    bad = b"external_id,client_external_id,client_name,starts_at,duration_min\r\ne1,,,,\r\n"
    text_csv = {"Content-Type": "text/csv"}
    await api.call("POST", "/v1/imports", practice="mesa", data=bad, headers=text_csv)
    row = (await api.call("GET", "/v1/imports/rows", practice="mesa")).body["items"][0]
    task = await api.admin.fetchval(
        "insert into task (practice_id, for_role, text) values ($1, 'biller', 'x') returning id",
        api.practices["mesa"],
    )
    incident = await _incident(api, "mesa")
    for method, path, body in (
        ("GET", f"/v1/appointments/{appointment['id']}", None),
        ("PATCH", f"/v1/appointments/{appointment['id']}", {"duration_min": 20}),
        ("POST", f"/v1/appointments/{appointment['id']}/cancel", None),
        ("GET", f"/v1/clients/{appointment['client_id']}", None),
        (
            "PUT",
            f"/v1/clients/{appointment['client_id']}/reminders",
            {"enabled": False, "leads_min": None},
        ),
        ("GET", f"/v1/deliveries/{delivery['id']}", None),
        ("POST", f"/v1/tasks/{task}/done", None),
        ("GET", f"/v1/imports/rows/{row['id']}", None),
        ("POST", f"/v1/imports/rows/{row['id']}/correct", {"raw": "e1,c,N,2031-01-01T10:00,50"}),
        ("POST", f"/v1/imports/rows/{row['id']}/discard", None),
        ("GET", f"/v1/incidents/{incident}", None),
    ):
        theirs = await api.call(method, path, body)
        assert (theirs.http, theirs.body["code"]) == (404, "not_found"), path
        if method == "GET":
            assert (await api.call(method, path, practice="mesa")).http == 200, path
            listed = await api.call("GET", path.rpartition("/")[0] + "?limit=200")
            assert path.rpartition("/")[2] not in listed.raw.decode()
    untouched = (await api.call("GET", made.headers["location"], practice="mesa")).body
    assert untouched == appointment


async def test_incidents_are_on_calls(api: Api) -> None:
    """An administrator reads their practice's incident; on-call acts on it, and only once."""
    path = f"/v1/incidents/{await _incident(api, 'lakeside')}"
    assert (await api.call("GET", path)).body["status"] == "open"
    assert (await api.call("POST", f"{path}/acknowledge")).http == 403
    person, session = await api.sign_in("oncall")
    headers = {**session, "X-CSRF-Token": person.csrf}
    mine = await api.call("POST", f"{path}/acknowledge", role=None, headers=headers)
    assert (mine.http, mine.body["acknowledged_by"]) == (200, person.name)
    late = await api.call("POST", f"{path}/acknowledge", role="oncall")
    assert late.body == mine.body
    done = await api.call("POST", f"{path}/resolve", role="oncall")
    assert (done.body["status"], done.body["acknowledged_by"]) == ("resolved", person.name)


async def test_a_session_needs_its_csrf_token(api: Api, booking: dict[str, Any]) -> None:
    """A cookie alone reads; to change anything, its own session's token must come along."""
    person, session = await api.sign_in("frontdesk")
    other, _ = await api.sign_in("frontdesk")
    me = await api.call("GET", "/v1/me", role=None, headers=session)
    assert (me.body["role"], me.body["csrf"]) == ("front_desk", person.csrf)
    for extra in ({}, {"X-CSRF-Token": "guess"}, {"X-CSRF-Token": other.csrf}):
        refused = await api.call(
            "POST", "/v1/appointments", booking, role=None, headers={**session, **extra}
        )
        assert (refused.http, refused.body["code"]) == (403, "csrf_missing")
    headers = {**session, "X-CSRF-Token": person.csrf}
    made = await api.call("POST", "/v1/appointments", booking, role=None, headers=headers)
    assert made.http == 201


async def test_tokens_that_do_not_count(api: Api) -> None:
    """A bad token is refused with its code, even beside a good cookie; so is a closed account's."""
    _, session = await api.sign_in("frontdesk")
    secret = api.services.jwt_secret
    claims = jwt.decode(api.token(), secret, algorithms=["HS256"], audience="authenticated")

    async def code(header: str) -> tuple[int, str]:
        headers = {**session, "Authorization": header}
        answer = await api.call("GET", "/v1/clients", role=None, headers=headers)
        return answer.http, answer.body["code"]

    def signed(**changes: Any) -> str:
        return "Bearer " + jwt.encode({**claims, **changes}, secret, algorithm="HS256")

    assert await code(signed(exp=1)) == (401, "token_expired")
    assert await code(signed(practice=str(uuid4()))) == (401, "token_invalid")
    assert await code("Bearer " + jwt.encode(claims, "x" * 40, "HS256")) == (401, "token_invalid")
    assert await code("Basic YTpi") == (401, "token_invalid")
    user_id = await api.admin.fetchval(
        "insert into app_user (email, name, password_hash, active) values ($1, 'x', 'x', false)"
        " returning id",
        f"{uuid4()}@left.example",
    )
    assert await code(signed(sub=str(user_id))) == (401, "token_invalid")


async def test_a_token_says_no_more_than_the_membership(api: Api) -> None:
    """A known person's token holds for a role they have now, in the practice they have it in."""
    lakeside, mesa = api.practices["lakeside"], api.practices["mesa"]
    user_id = await api.admin.fetchval(
        "insert into app_user (email, name, password_hash) values ($1, 'x', 'x') returning id",
        f"{uuid4()}@staff.example",
    )
    await api.admin.execute(
        "insert into membership (user_id, practice_id, role) values ($1, $2, 'biller')",
        user_id,
        lakeside,
    )

    async def http(role: Role, practice_id: UUID | None) -> int:
        token = mint_token(
            api.services.jwt_secret, user_id=user_id, role=role, practice_id=practice_id
        )
        headers = {"Authorization": f"Bearer {token}"}
        return (await api.call("GET", "/v1/me", role=None, headers=headers)).http

    assert await http("biller", lakeside) == 200
    assert await http("administrator", lakeside) == 401
    assert await http("biller", mesa) == 401
    assert await http("oncall", None) == 401
    await api.admin.execute("delete from membership where user_id = $1", user_id)
    assert await http("biller", lakeside) == 401


JSON = {"Content-Type": "application/json"}
BOOK = "POST /v1/appointments"
SECRET = "Zelda Quillfeather"

# What was sent; what comes back: status, code of the problem, pointer and code of one error.
BAD: tuple[tuple[str, str, Any, int, str, str, str], ...] = (
    ("an empty body", BOOK, b"", 422, "request_invalid", "/body", "missing"),
    ("half of a JSON body", BOOK, b'{"a":', 400, "json_unreadable", "/body", "json_invalid"),
    ("bytes that are no text", BOOK, b"\xff\xfe\x00", 400, "request_unreadable", "", ""),
    ("a list", BOOK, [1], 422, "request_invalid", "/body", "model_attributes_type"),
    ("JSON a mile deep", BOOK, b"[" * 200_000, 400, "request_unreadable", "", ""),
    ("a body of two megabytes", BOOK, b"x" * 2_000_000, 413, "body_too_large", "", ""),
    ("a field left out", BOOK, {"external_id": None}, 422, "request_invalid",
     "/body/external_id", "string_type"),
    ("a field nobody knows", BOOK, {SECRET: 1}, 422, "request_invalid", "/body",
     "extra_forbidden"),
    ("no offset", BOOK, {"starts_at": "2031-01-01T10:00"}, 422, "request_invalid",
     "/body/starts_at", "no_offset"),
    ("a moment as a number", BOOK, {"starts_at": 1700000000}, 422, "request_invalid",
     "/body/starts_at", "not_an_instant"),
    ("the end of time", BOOK, {"starts_at": "9999-12-31T23:59:59-12:00"}, 422, "request_invalid",
     "/body/starts_at", "instant_range"),
    ("the beginning of time", BOOK, {"starts_at": "0001-01-01T00:00:00+14:00"}, 422,
     "request_invalid", "/body/starts_at", "instant_range"),
    ("no minutes", BOOK, {"duration_min": 0}, 422, "request_invalid", "/body/duration_min",
     "greater_than_equal"),
    ("minutes as true", BOOK, {"duration_min": True}, 422, "request_invalid",
     "/body/duration_min", "int_type"),
    ("minutes beyond any number", BOOK, {"duration_min": 10**400}, 422, "request_invalid",
     "/body/duration_min", "less_than_equal"),
    ("a zone that is no place", BOOK, {"client_timezone": "Mars/Olympus"}, 422,
     "request_invalid", "/body/client_timezone", "unknown_zone"),
    ("no address", BOOK, {"client_email": SECRET}, 422, "request_invalid",
     "/body/client_email", "not_an_email"),
    ("a header in an address", BOOK, {"client_email": "a@b.example\r\nBcc: c@d.example"}, 422,
     "request_invalid", "/body/client_email", "not_an_email"),
    ("a name that is a formula", BOOK, {"client_name": f"={SECRET}"}, 422, "request_invalid",
     "/body/client_name", "name_formula"),
    ("a zero byte in a name", BOOK, {"client_name": f"{SECRET}\x00"}, 422, "request_invalid",
     "/body/client_name", "control_character"),
    ("half a character", BOOK, b'{"client_name": "\\ud800"}', 422, "request_invalid",
     "/body/client_name", "string_unicode"),
    ("a name of a megabyte", BOOK, {"client_name": "x" * 900_000}, 422, "request_invalid",
     "/body/client_name", "string_too_long"),
    ("a rounded identifier", BOOK, {"external_id": "1.23E+11"}, 422, "request_invalid",
     "/body/external_id", "id_scientific"),
    ("an id that is none", f"GET /v1/appointments/{SECRET}", None, 422, "request_invalid",
     "/path/appointment_id", "uuid_parsing"),
    ("a status that is none", f"GET /v1/appointments?status={SECRET}", None, 422,
     "request_invalid", "/query/status", "literal_error"),
    ("no limit", "GET /v1/appointments?limit=0", None, 422, "request_invalid", "/query/limit",
     "greater_than_equal"),
    ("a cursor made up", "GET /v1/appointments?cursor=WyJ4Il0", None, 422, "request_invalid",
     "/query/cursor", "cursor_unreadable"),
    ("an address nobody serves", f"GET /v1/{SECRET}", None, 404, "not_found", "", ""),
    ("a method not taken", "DELETE /v1/appointments", None, 405, "method_not_allowed", "", ""),
    ("nothing to change", f"PATCH /v1/appointments/{NOBODY}", {}, 422, "nothing_to_change", "", ""),
    ("a file that is no calendar", "POST /v1/imports", b"%PDF-1.7 Zelda Quillfeather", 415,
     "content_type_unsupported", "", ""),
)  # fmt: skip


@pytest.mark.parametrize(
    ("request_line", "body", "http", "code", "pointer", "error"),
    [pytest.param(*case[1:], id=case[0]) for case in BAD],
)
async def test_bad_input_is_told_apart_and_not_quoted(
    api: Api,
    booking: dict[str, Any],
    logs: Path,
    request_line: str,
    body: Any,
    http: int,
    code: str,
    pointer: str,
    error: str,
) -> None:
    """Each bad input gets its own answer, as problem details that repeat nothing of it."""
    method, path = request_line.split(" ", 1)
    if isinstance(body, bytes):
        answer = await api.call(method, path, data=body, headers=JSON)
    elif isinstance(body, dict) and request_line == BOOK:
        answer = await api.call(method, path, {**booking, **body})
    else:
        answer = await api.call(method, path, body)
    assert (answer.http, answer.body["code"]) == (http, code), answer.raw
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == http
    assert answer.body["request_id"] == answer.headers["x-request-id"]
    errors = [(e["pointer"], e["code"]) for e in answer.body.get("errors", ())] or [("", "")]
    assert (pointer, error) in errors, answer.raw
    assert b"Zelda" not in answer.raw
    assert "Zelda" not in written(logs)


async def test_the_wrong_content_type_is_named(api: Api, booking: dict[str, Any]) -> None:
    """JSON sent as text is refused as such, not as a missing field."""
    headers = {"Content-Type": "text/plain"}
    answer = await api.call("POST", "/v1/appointments", data=b"{}", headers=headers)
    assert (answer.http, answer.body["code"]) == (415, "content_type_unsupported")


async def _incident(api: Api, practice: str) -> Any:
    return await api.admin.fetchval(
        "insert into incident (key, rule_id, integration, practice_id, severity, title, fault,"
        " since, ack_due_at) values ($1, 'email.x', 'email', $2, 'high', 'x', 'theirs',"
        " app.now(), app.now()) returning id",
        str(uuid4()),
        api.practices[practice],
    )


async def test_a_suppression_is_lifted_once(api: Api) -> None:
    """A complaint only if the client asked, and by the practice alone; on-call sees no client."""
    client_id = uuid4()
    suppression = await api.admin.fetchval(
        "insert into suppression (practice_id, integration, recipient_key, client_id, reason)"
        " values ($1, 'email', $2, $3, 'complained') returning id",
        api.practices["lakeside"],
        str(uuid4()),
        client_id,
    )
    path = f"/v1/suppressions/{suppression}/lift"
    refused = await api.call("POST", path, {})
    assert (refused.http, refused.body["code"]) == (422, "client_has_not_asked")
    asked = {"client_asked": True}
    assert (await api.call("POST", path, asked, practice="mesa")).http == 404
    assert (await api.call("POST", path, asked, role="oncall")).http == 404
    listed = (await api.call("GET", "/v1/suppressions?lifted=false", role="oncall")).body["items"]
    [seen] = [each for each in listed if each["id"] == str(suppression)]
    assert seen["client_id"] is None
    listed = (await api.call("GET", "/v1/suppressions")).body["items"]
    [mine] = [each for each in listed if each["id"] == str(suppression)]
    assert (mine["client_id"], mine["lifted_at"]) == (str(client_id), None)
    first = await api.call("POST", path, asked, role="front_desk")
    assert first.http == 200
    again = await api.call("POST", path, asked)
    assert again.body == first.body
    assert (await api.call("GET", "/v1/suppressions", practice="mesa")).body["items"] == []


async def test_what_a_client_told_the_staff_is_kept_and_obeyed(api: Api) -> None:
    """An opt-out with its note ends texts at once, to send it again changes nothing, and their
    agreement lifts it; the note lies sealed, and not everybody reads it."""
    new = {"external_id": f"c{uuid4().hex}", "name": "Ana Ruiz", "phone": "212 555 0142"}
    client = (await api.call("POST", "/v1/clients", new)).body["id"]
    path = f"/v1/clients/{client}/consent"
    email, sms = (await api.call("GET", path)).body["standing"]
    assert (email["has_address"], sms["has_address"], sms["said"]) == (False, True, "nothing")
    wish = {"channel": "sms", "what": "opted_out", "note": "Ana, on the telephone"}
    key = {"Idempotency-Key": uuid4().hex, "Authorization": f"Bearer {api.token()}"}
    for _ in range(2):
        ended = await api.call("POST", path, wish, headers=key)
        assert ended.http == 200
    assert ended.body["standing"][1]["kept"] == "opted_out"
    [entry] = ended.body["history"]
    told = (entry["what"], entry["how"], entry["note"], entry["of_today"])
    assert told == ("opted_out", "staff", "Ana, on the telephone", True)
    suppression = await api.admin.fetchval(
        "select id from suppression where client_id = $1", client
    )
    lift = await api.call("POST", f"/v1/suppressions/{suppression}/lift", {})
    assert (lift.http, lift.body["code"]) == (422, "client_has_not_asked")
    agreed = await api.call(
        "POST", path, {**wish, "what": "agreed", "note": "Ana, here, in writing"}
    )
    assert agreed.body["standing"][1]["kept"] is None
    assert [e["what"] for e in agreed.body["history"]] == ["agreed", "lifted", "opted_out"]
    assert agreed.body["standing"][1]["said"] == "agreed"
    biller = await api.call("GET", path, role="biller")
    assert [e["note"] for e in biller.body["history"]] == [None] * 3
    kept = await api.admin.fetch("select note from consent_entry where client_id = $1", client)
    assert not any(b"Ana" in row["note"] for row in kept if row["note"])
    assert (await api.call("GET", path, practice="mesa")).http == 404
    for body, code in (
        ({**wish, "channel": "email"}, "no_address"),
        ({**wish, "note": "  "}, "note_missing"),
    ):
        refused = await api.call("POST", path, body)
        assert (refused.http, refused.body["code"]) == (422, code)


async def test_a_client_is_texted_and_the_conversation_read(api: Api) -> None:
    """Only with a number and their agreement; once for one key; never what must not lie on a lock
    screen; and another practice finds no such client."""
    new = {"external_id": "t-1", "name": "Tess Textperson"}
    client = (await api.call("POST", "/v1/clients", new)).body["id"]
    path, body = f"/v1/clients/{client}/texts", {"body": "Good morning"}

    async def refused(sent: dict[str, str] = body) -> tuple[int, str]:
        answer = await api.call("POST", path, sent)
        return answer.http, answer.body["code"]

    assert await refused() == (409, "no_number")
    await api.admin.execute("update client set phone = '202 555 0186' where name like 'Tess%'")
    assert await refused() == (409, "not_agreed")
    await write_agreements(api.admin)
    await api.admin.execute("update client set text_agreed_at = now() where name like 'Tess%'")
    assert await refused({"body": "Hi Tess Textperson"}) == (422, "phi")
    assert await refused({"body": " "}) == (422, "empty")
    token = api.token("front_desk", "lakeside")
    once = {"idempotency-key": "k-1", "Authorization": f"Bearer {token}"}
    first, again = [await api.call("POST", path, body, headers=once) for _ in range(2)]
    assert (first.http, again.body) == (201, first.body)
    [line] = (await api.call("GET", path)).body["items"]
    assert line == {
        **line, "id": first.body["id"], "direction": "out", "kind": "reply", "body": "Good morning",
    }  # fmt: skip
    assert (await api.call("GET", path, practice="mesa")).http == 404


async def test_a_morning_has_more_than_whom_to_call(api: Api, booking: dict[str, Any]) -> None:
    """Beside those not reached: whom nothing may be sent to, what waits for its hour, what is to be
    read, and how many were perhaps told; another practice hears of none of it."""
    starts_at = (datetime.now(UTC) + timedelta(hours=30)).isoformat()
    ids = {}
    for name, email in (("nora", None), ("rita", "rita@clients.example")):
        of = {"external_id": f"m-{name}", "client_external_id": f"m-{name}", "client_name": name}
        new = {**booking, **of, "client_email": email, "starts_at": starts_at}
        ids[name] = (await api.call("POST", "/v1/appointments", new)).body["id"]
    rita, week = UUID(ids["rita"]), [None] * 7
    week[(datetime.now(UTC).weekday() + 3) % 7] = [480, 540]  # type: ignore[call-overload]
    await api.admin.execute(
        "update delivery set hours = $2, due_at = app.now() where subject_id = $1",
        rita,
        json.dumps({"zones": ["UTC"], "week": week}),
    )
    await api.admin.execute(
        "insert into text_message (practice_id, credential_id, provider_message_id, recipient_key,"
        " sender, body, meaning) select practice_id, id, 'SM1', 'm', '', '', 'unknown_number'"
        " from credential where practice_id = $1 limit 1",
        api.practices["lakeside"],
    )
    morning = (await api.call("GET", "/v1/not-reached", role="front_desk")).body
    assert "nora" in {one["name"] for one in morning["nothing_goes"]}
    assert "rita" in {one["name"] for one in morning["waiting_for_hours"]}
    assert None in {one["client_id"] for one in morning["to_read"]}
    for status in ("due", "sending", "unknown"):
        await api.admin.execute(
            "update delivery set status = $2 where subject_id = $1 and status <> 'cancelled'",
            rita,
            status,
        )
    await api.admin.execute(
        "update delivery set unknown_at = app.now() - interval '11 min' where subject_id = $1", rita
    )
    again = (await api.call("GET", "/v1/not-reached", role="front_desk")).body
    assert again["unknown"] == morning["unknown"] + 1
    elsewhere = (await api.call("GET", "/v1/not-reached", practice="mesa")).body
    assert (elsewhere["nothing_goes"], elsewhere["to_read"]) == ([], [])
