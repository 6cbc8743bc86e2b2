"""What may be done about an incident, by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.api.conftest import Api


async def _incident(api: Api) -> Any:
    """One of the other practice's mail, whose credential nobody else's test touches."""
    return await api.admin.fetchval(
        "insert into incident (key, rule_id, integration, credential_id, practice_id, severity,"
        " title, fault, since, ack_due_at) select $1, 'email.x', 'email', id, practice_id, 'high',"
        " 'x', 'theirs', app.now(), app.now() from credential"
        " where integration = 'email' and endpoint = 'mesa' returning id",
        str(uuid4()),
    )


async def test_an_act_is_looked_at_done_and_refused(api: Api) -> None:
    """On-call reads what each would do, does one with its reason and end, and the second time is
    told who did it; nobody else may."""
    path = f"/v1/incidents/{await _incident(api)}/acts"
    looked = await api.call("GET", path, role="oncall")
    acts = {one["name"]: one for one in looked.body["items"]}
    assert acts["resume"]["refusal"] == "No lane is paused."
    assert acts["stop_trying"]["would"]
    assert acts["stop_trying"]["numbers"]["waiting"] >= 0
    missing = await api.call("POST", f"{path}/stop_trying", {}, role="oncall")
    assert (missing.http, missing.body["code"]) == (422, "reason_missing")
    how = {"reason": "their page says so", "minutes": 30}
    assert (await api.call("POST", f"{path}/stop_trying", how)).http == 403
    done = await api.call("POST", f"{path}/stop_trying", how, role="oncall")
    assert (done.http, done.body["name"], done.body["replay"]) == (200, "stop_trying", None)
    again = await api.call("POST", f"{path}/stop_trying", how, role="oncall")
    assert (again.http, again.body["code"]) == (409, "not_now")
    assert "stopped already" in again.body["detail"]
    assert (await api.call("POST", f"{path}/automatic", {}, role="oncall")).http == 200
    unknown = await api.call("POST", f"{path}/explode", how, role="oncall")
    assert unknown.http == 422
    nobody = await api.call("GET", f"/v1/incidents/{uuid4()}/acts", role="oncall")
    assert nobody.http == 404


async def test_a_credentials_lanes_are_paused_and_opened_without_an_incident(api: Api) -> None:
    """By its room and its endpoint: what each would do, then one of them, with a reason and an end,
    once; it stands in the timeline as the console's does. For on-call alone, and nothing else."""
    path = "/v1/lanes/email/mesa/acts"
    looked = (await api.call("GET", path, role="oncall")).body["items"]
    assert [one["name"] for one in looked] == ["pause", "resume", "hold"]
    assert (looked[0]["refusal"], looked[1]["refusal"]) == (None, "No lane is paused.")
    assert (looked[0]["needs_reason"], looked[0]["needs_expiry"]) == (True, True)
    how = {"reason": "their own maintenance", "minutes": 30}
    assert (await api.call("POST", f"{path}/pause", how)).http == 403
    missing = await api.call("POST", f"{path}/pause", {"reason": "why"}, role="oncall")
    assert (missing.http, missing.body["code"]) == (422, "expiry_missing")
    done = await api.call("POST", f"{path}/pause", how, role="oncall")
    assert (done.http, done.body["name"], done.body["count"]) == (200, "pause", 2)
    again = await api.call("POST", f"{path}/pause", how, role="oncall")
    assert (again.http, again.body["code"]) == (409, "not_now")
    told = await api.admin.fetchrow(
        "select t.data from timeline t join lane l on l.id = t.lane_id join credential c"
        " on c.id = l.credential_id where t.kind = 'acted' and c.endpoint = 'mesa'"
        " and c.integration = 'email' order by t.id desc limit 1"
    )
    assert "their own maintenance" in told["data"]
    opened = await api.call("POST", f"{path}/resume", {}, role="oncall")
    assert (opened.http, opened.body["count"]) == (200, 2)
    held = await api.call("POST", f"{path}/hold", {"reason": "why"}, role="oncall")
    assert (held.http, held.body["detail"]) == (409, "Nothing is due that could be held.")
    assert (await api.call("POST", f"{path}/switch", how, role="oncall")).http == 422
    for nowhere in ("email/nobody", "fax/mesa"):
        answer = await api.call("POST", f"/v1/lanes/{nowhere}/acts/pause", how, role="oncall")
        assert answer.http == 404
