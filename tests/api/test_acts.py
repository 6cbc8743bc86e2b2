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
