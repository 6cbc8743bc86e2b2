"""Switching test mode off from an incident, by the API."""

from __future__ import annotations

from uuid import uuid4

from tests.api.conftest import Api


async def test_it_is_looked_at_switched_off_and_refused(api: Api) -> None:
    """With a reason and by on-call alone; a second time it is off already."""
    await api.admin.execute(
        "update credential set test_only = true where integration = 'sms' and endpoint = 'mesa'"
    )
    incident = await api.admin.fetchval(
        "insert into incident (key, rule_id, integration, credential_id, practice_id, severity,"
        " title, fault, since, ack_due_at) select $1, 'sms.x', 'sms', id, practice_id, 'high',"
        " 'x', 'ours', app.now(), app.now() from credential"
        " where integration = 'sms' and endpoint = 'mesa' returning id",
        str(uuid4()),
    )
    path = f"/v1/incidents/{incident}/acts/test_mode_off"
    looked = (await api.call("GET", path, role="oncall")).body
    assert (looked["refusal"], set(looked["numbers"])) == (None, {"messages", "people", "refused"})
    assert looked["would"]
    how = {"reason": "forgotten"}
    assert (await api.call("POST", path, how)).http == 403
    blank = await api.call("POST", path, {"reason": " "}, role="oncall")
    assert (blank.http, blank.body["code"]) == (422, "reason_missing")
    assert (await api.call("POST", path, how, role="oncall")).http == 204
    again = await api.call("POST", path, how, role="oncall")
    assert (again.http, again.body["code"]) == (409, "not_now")
    told = await api.admin.fetchval(
        "select data ->> 'reason' from timeline where incident_id = $1 and kind = 'acted'", incident
    )
    assert told == "forgotten"
    nowhere = f"/v1/incidents/{uuid4()}/acts/test_mode_off"
    assert (await api.call("GET", nowhere, role="oncall")).http == 404
