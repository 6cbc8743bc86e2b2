"""Rules and choices for reminders, through the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.api.conftest import Api, written


async def test_rules_are_read_and_changed(api: Api) -> None:
    """The default is a day; new rules are answered sorted, kept per practice, and audited."""
    before = (await api.call("GET", "/v1/reminders", practice="mesa")).body
    assert (before["leads_min"], before["cancel_before_h"]) == ([1440], 24)
    new = {"leads_min": [120, 10080, 1440], "cancel_before_h": 48}
    changed = await api.call("PUT", "/v1/reminders", new)
    assert changed.http == 200
    assert (changed.body["leads_min"], changed.body["cancel_before_h"]) == ([10080, 1440, 120], 48)
    assert (await api.call("GET", "/v1/reminders", role="front_desk")).body == changed.body
    assert (await api.call("GET", "/v1/reminders", practice="mesa")).body == before
    assert await api.admin.fetchval("select count(*) from audit where action = 'reminders.changed'")
    await api.call("PUT", "/v1/reminders", {"leads_min": [1440], "cancel_before_h": 24})


async def test_wrong_rules_are_explained(api: Api) -> None:
    """Too many, too short, twice, or hours that nobody means: one sentence each, nothing kept."""
    for leads, hours, says in (
        ([1440, 1440], 24, "at the same time"),
        ([5], 24, "between 15 minutes and 30 days"),
        ([10**40], 24, "between 15 minutes and 30 days"),
        ([1440], -1, "from 0 to 336 hours"),
        ([1440], 10**40, "from 0 to 336 hours"),
    ):
        wrong = {"leads_min": leads, "cancel_before_h": hours}
        answer = await api.call("PUT", "/v1/reminders", wrong)
        assert (answer.http, answer.body["code"]) == (422, "reminders_wrong"), leads
        assert says in answer.body["detail"]
    for body in ({"leads_min": [1] * 6}, {"leads_min": "1440"}, {"leads_min": [True]}, {}):
        answer = await api.call("PUT", "/v1/reminders", {"cancel_before_h": 24, **body})
        assert (answer.http, answer.body["code"]) == (422, "request_invalid"), body


async def test_a_clients_choice_changes_what_waits(api: Api, booking: dict[str, Any]) -> None:
    """Switched off, the reminder that waits is cancelled; the appointment shows no answer yet."""
    made = (await api.call("POST", "/v1/appointments", booking)).body
    assert (made["confirmed_at"], made["cancelled_by"]) == (None, None)
    path = f"/v1/clients/{made['client_id']}/reminders"
    assert (await api.call("GET", path)).body == {"enabled": True, "leads_min": None}
    off = {"enabled": False, "leads_min": None}
    assert (await api.call("PUT", path, off, role="front_desk")).body == off
    query = f"/v1/deliveries?subject_id={made['id']}&kind=reminder"
    [reminder] = (await api.call("GET", query)).body["items"]
    assert reminder["status"] == "cancelled"
    nothing = {"enabled": True, "leads_min": []}
    assert (await api.call("PUT", path, nothing)).body["code"] == "reminders_wrong"


async def test_texts_are_chosen_with_the_agreement_they_need(
    api: Api, booking: dict[str, Any]
) -> None:
    """Texts that nobody agreed to are refused; with who did, and how, the ledger has it and the
    reminder that waits goes by text. Who ended texts is asked again before there are more. A
    practice that switches texts off sends none."""
    made = (
        await api.call("POST", "/v1/appointments", {**booking, "client_phone": "312 555 0142"})
    ).body
    path = f"/v1/clients/{made['client_id']}/channels"
    before = (await api.call("GET", path)).body
    assert (before["reminders_by"], before["changes_by"], before["agreed_at"]) == (
        "email", "email", None
    )  # fmt: skip
    wanted = {"reminders_by": "text", "changes_by": "both", "text_falls_back": False}
    refused = await api.call("PUT", path, wanted, role="front_desk")
    assert (refused.http, refused.body["code"]) == (422, "not_agreed")
    unknown = await api.call("PUT", path, {**wanted, "reminders_by": "fax"})
    assert (unknown.http, unknown.body["code"]) == (422, "request_invalid")
    agreed = {**wanted, "agreed": "Zelda, at the desk"}
    chosen = (await api.call("PUT", path, agreed, role="front_desk")).body
    assert chosen["agreed_at"] is not None
    assert {key: chosen[key] for key in wanted} == wanted
    query = f"/v1/deliveries?subject_id={made['id']}&kind=reminder"
    waiting = (await api.call("GET", query)).body["items"]
    assert {(one["integration"], one["status"]) for one in waiting} == {
        ("email", "cancelled"),
        ("sms", "pending"),
    }
    consent = f"/v1/clients/{made['client_id']}/consent"
    [entry] = (await api.call("GET", consent)).body["history"]
    assert (entry["what"], entry["note"]) == ("agreed", "Zelda, at the desk")
    by_mail = {**wanted, "reminders_by": "email", "changes_by": "email"}
    assert (await api.call("PUT", path, by_mail)).http == 200
    ended = {"channel": "sms", "what": "opted_out", "note": "Zelda, on the telephone"}
    await api.call("POST", consent, ended)
    again = await api.call("PUT", path, wanted)
    assert (again.http, again.body["code"]) == (422, "not_agreed")
    assert (await api.call("PUT", path, agreed)).http == 200
    rules = {"leads_min": [1440], "cancel_before_h": 24}
    off = await api.call("PUT", "/v1/reminders", {**rules, "texts": False})
    assert (off.body["texts"], off.body["waiting"]) == (False, off.body["coming"])
    kept = await api.call("PUT", "/v1/reminders", rules)
    assert kept.body["texts"] is False
    await api.call("PUT", "/v1/reminders", {**rules, "texts": True})


async def test_a_clients_link_leaves_no_trace_in_the_log(
    api: Api, booking: dict[str, Any], logs: Path
) -> None:
    """The page answers at the real door, under its own policy; its address is logged as a
    pattern, for whoever holds it may answer."""
    made = (await api.call("POST", "/v1/appointments", booking)).body
    payload = await api.admin.fetchval(
        "select payload from delivery where subject_id = $1 and kind = 'appointment_created'",
        UUID(made["id"]),
    )
    mail = api.services.vault.open(api.practices["lakeside"], "delivery", payload).decode()
    found = re.search(r"/a/([\w.-]+)", mail)
    assert found is not None
    for method, path, http in (("GET", "", 200), ("HEAD", "", 200), ("POST", "/confirm", 303)):
        answer = await api.call(method, f"/a/{found[1]}{path}", role=None)
        assert answer.http == http
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    after = (await api.call("GET", f"/v1/appointments/{made['id']}")).body
    assert after["confirmed_at"] is not None
    assert "/a/{token}/confirm" in written(logs)
    assert found[1] not in written(logs)
