"""A credential's former secret, by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.db import connect_owner
from tests.api.conftest import Api

ROW = "select * from credential where integration = 'sms' and endpoint = 'mesa'"


async def _enter(api: Api, account: str) -> Any:
    """Another account's, for a credential that nobody else's test touches."""
    services, row = api.services, await api.admin.fetchrow(ROW)
    assert row is not None
    provider = services.rooms["sms"].provider(row["provider"])
    secrets = {field.name: f"{account}-{field.name}" for field in provider.credential_fields}
    new = NewCredential(
        row["practice_id"], "sms", "mesa", row["base_url"], False, secrets, entered_by="Theo"
    )
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        await save_credential(owner, services.vault, provider, new)
    return row["id"]


async def test_it_is_looked_at_brought_back_and_refused(api: Api) -> None:
    """Nobody answers here: it is said, and takes a word. Whoever has seen an older state changes
    nothing. For on-call alone."""
    path = "/v1/lanes/sms/mesa/acts/bring_back"
    none = (await api.call("GET", path, role="oncall")).body
    assert none["refusal"].startswith("No former one is kept")
    credential_id = await _enter(api, "another")
    looked = (await api.call("GET", path, role="oncall")).body
    assert (looked["refusal"], looked["well"]) == (None, False)
    assert "does not answer it well" in looked["would"][0]
    assert "another-" not in str(looked)
    how = {"version": looked["version"], "reason": "mistyped"}
    assert (await api.call("POST", path, how)).http == 403
    untried = await api.call("POST", path, how, role="oncall")
    assert (untried.http, untried.body["code"]) == (409, "not_tried")
    how["untried"] = True
    done = await api.call("POST", path, how, role="oncall")
    assert (done.http, done.body) == (200, {"waiting": 0})
    again = await api.call("POST", path, how, role="oncall")
    assert (again.http, again.body["code"]) == (409, "not_now")
    incident = await api.admin.fetchval(
        "insert into incident (key, rule_id, integration, credential_id, practice_id, severity,"
        " title, fault, since, ack_due_at) select $1, 'sms.x', 'sms', id, practice_id, 'high',"
        " 'x', 'theirs', app.now(), app.now() from credential where id = $2 returning id",
        str(uuid4()),
        credential_id,
    )
    path = f"/v1/incidents/{incident}/acts/bring_back"
    looked = (await api.call("GET", path, role="oncall")).body
    assert looked["entered_by"] == "Theo"
    blank = {"version": looked["version"], "reason": " ", "untried": True}
    wrong = await api.call("POST", path, blank, role="oncall")
    assert (wrong.http, wrong.body["code"]) == (422, "reason_missing")
    done = await api.call("POST", path, {**blank, "reason": "back"}, role="oncall")
    assert done.http == 200
    told = await api.admin.fetchval(
        "select data ->> 'reason' from timeline where incident_id = $1 and kind = 'acted'", incident
    )
    assert told == "back"
    for nowhere in (f"/v1/incidents/{uuid4()}", "/v1/lanes/sms/nowhere"):
        assert (await api.call("GET", f"{nowhere}/acts/bring_back", role="oncall")).http == 404
