"""Alert rules and their silences through the API."""

from __future__ import annotations

from typing import Any

import pytest

from mentalspace.engine.alerts import Evaluator
from tests.api.conftest import Api

pytestmark = pytest.mark.database

RULE = "email.consecutive_failures"


async def test_a_rule_is_read_silenced_and_loud_again(api: Api) -> None:
    """Every live rule with its states, one of them with its past; a silence needs a reason and an
    end, is shown where it holds, and ends once."""
    await Evaluator(api.services.database, api.services.runbooks).tick()
    rules = (await api.call("GET", "/v1/alerts", role="oncall")).body
    [rule] = [rule for rule in rules if rule["id"] == RULE]
    assert (rule["state"], rule["last_proven"]) == ("no_data", None)
    assert rule["drill"] == "email/five_failures_in_a_row"
    told = (await api.call("GET", f"/v1/alerts/rules/{RULE}", role="administrator")).body
    assert 0 < len(told["standings"]) < sum(rule["counts"].values()), "their own practice's"
    assert [change["state"] for change in told["standings"][0]["changes"]] == ["no_data"]

    async def silence(**body: Any) -> Any:
        return await api.call("POST", "/v1/alerts/silences", body, role="oncall")

    for wrong in (
        {"hours": 1, "reason": "moving"},
        {"rule_id": RULE, "hours": 169, "reason": "moving"},
        {"rule_id": RULE, "hours": 1, "reason": " "},
        {"rule_id": "email.nothing", "hours": 1, "reason": "moving"},
    ):
        assert (await silence(**wrong)).http == 422, wrong
    made = await silence(rule_id=RULE, hours=2, reason="moving")
    assert (made.http, made.body["rule_id"], made.body["practice_id"]) == (201, RULE, None)
    told = (await api.call("GET", f"/v1/alerts/rules/{RULE}", role="oncall")).body
    assert {each["silence_id"] for each in told["standings"]} == {made.body["id"]}
    path = f"/v1/alerts/silences/{made.body['id']}/lift"
    other = await silence(rule_id="email.queue_stands", hours=1, reason="moving")
    first = (await api.call("GET", "/v1/alerts/silences?limit=1", role="oncall")).body
    assert [each["id"] for each in first["items"]] == [other.body["id"]]
    following = f"/v1/alerts/silences?limit=1&cursor={first['next']}"
    last = (await api.call("GET", following, role="oncall")).body
    assert ([each["id"] for each in last["items"]], last["next"]) == ([made.body["id"]], None)
    ended = f"/v1/alerts/silences/{other.body['id']}/lift"
    assert len((await api.call("POST", ended, {}, role="oncall")).body["items"]) == 1
    assert (await api.call("POST", path, {}, role="oncall")).body == {"items": [], "next": None}
    assert (await api.call("POST", path, {}, role="oncall")).http == 404
