"""Alertmanager's webhook: whose word counts, and that one trouble is one incident."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from mentalspace.api.app import create_app
from mentalspace.engine.incidents import NewIncident, open_incident, resolve
from mentalspace.engine.runbook import AlertRule
from tests.api.conftest import Api
from tests.house import serving_app

TOKEN = "an alert manager's token of more than 32"
RULE = "sms.consecutive_failures"


@dataclass(frozen=True, slots=True)
class Door:
    api: Api
    url: str

    async def tell(self, *alerts: dict[str, Any], token: str = TOKEN) -> tuple[int, Any]:
        body = {"version": "4", "receiver": "mentalspace", "alerts": list(alerts)}
        headers = {"Authorization": f"Bearer {token}"}
        async with self.api.http.post(self.url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def incidents(self, rule_id: str) -> list[Any]:
        return list(
            await self.api.admin.fetch(
                "select * from incident where rule_id = $1 and status <> 'resolved'", rule_id
            )
        )

    async def story(self, incident_id: UUID) -> list[str]:
        rows = await self.api.admin.fetch(
            "select kind from timeline where incident_id = $1 order by id", incident_id
        )
        return [row["kind"] for row in rows]


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    """The API with the token set; afterwards the rule has no open incident."""
    settings = replace(api.services.settings, alertmanager_token=TOKEN)
    async with serving_app(create_app(replace(api.services, settings=settings))) as url:
        opened = Door(api, f"{url}/v1/hooks/alertmanager")
        yield opened
        for incident in await opened.incidents(RULE):
            async with api.services.database.as_oncall() as connection:
                await resolve(connection, incident["id"], "test")


def alert(status: str = "firing", rule: str = RULE, **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "any", "rule": rule, "provider": "twilio", **labels},
        "annotations": {"summary": "a summary"},
        "startsAt": "2026-11-01T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "c0ffee",
    }


async def test_it_is_closed_without_a_token_and_to_a_wrong_one(api: Api, door: Door) -> None:
    """Unset, there is no such address; set, only its bearer is heard."""
    assert (
        await api.call("POST", "/v1/hooks/alertmanager", {"version": "4", "alerts": []})
    ).http == 404
    status, body = await door.tell(alert(), token="another token of more than 32 letters")
    assert (status, body["code"]) == (401, "not_signed_in")
    assert await door.incidents(RULE) == []


async def test_an_alert_opens_one_incident_however_often_it_comes(door: Door) -> None:
    """It is paged by the matrix once; what is not of our rules is left alone; its end closes
    nothing, and its coming back is told."""
    assert await door.tell(alert(), alert(rule="house.no_worker")) == (
        200,
        {"opened": 1, "known": 0, "ignored": 1},
    )
    assert (await door.tell(alert(), alert()))[1] == {"opened": 0, "known": 2, "ignored": 0}
    [incident] = await door.incidents(RULE)
    assert (incident["severity"], incident["integration"]) == ("high", "sms")
    pages = await door.api.admin.fetch(
        "select target from page where incident_id = $1", incident["id"]
    )
    assert [row["target"] for row in pages] == ["oncall"]
    await door.tell(alert("resolved"))
    await door.tell(alert("resolved"))
    await door.tell(alert())
    story = [kind for kind in await door.story(incident["id"]) if kind != "action_asked"]
    assert story == ["incident_opened", "prometheus_resolved", "seen_by_prometheus"]
    [same] = await door.incidents(RULE)
    assert (same["id"], same["recovered_at"]) == (incident["id"], None)
    page = await door.api.call("GET", f"/v1/incidents/{same['id']}", role="oncall")
    assert page.body["facts"]["prometheus_since"].startswith("2026-11-01")


async def test_its_first_step_names_the_provider_that_is_told_of(door: Door) -> None:
    rule = "email.consecutive_failures"
    await door.tell(alert(rule=rule, provider="smtp"))
    [incident] = await door.incidents(rule)
    async with door.api.services.database.as_oncall() as connection:
        await resolve(connection, incident["id"], "test")
    assert json.loads(incident["facts"])["first_step"] == "See whether SMTP relay answers"


async def test_our_evaluator_takes_over_what_prometheus_saw_first(door: Door) -> None:
    """Seen by Prometheus for a provider, then by our own evaluator for a credential of it: still
    one incident, now with its practice; the other way round as well."""
    await door.tell(alert())
    [seen] = await door.incidents(RULE)
    credential = await door.api.admin.fetchrow(
        "select id, practice_id from credential where provider = 'twilio' and drill is null limit 1"
    )
    assert credential is not None
    assert not await _evaluate(door, credential)
    [joined] = await door.incidents(RULE)
    assert (joined["id"], joined["practice_id"]) == (seen["id"], credential["practice_id"])
    assert (await door.tell(alert()))[1]["known"] == 1
    assert len(await door.incidents(RULE)) == 1


async def _evaluate(door: Door, credential: Any) -> bool:
    """Open what our evaluator would for this credential; whether it was new."""
    _, rule = door.api.services.runbooks.room_and_alert(RULE)
    escalation = door.api.services.runbooks.escalation
    async with door.api.services.database.as_dispatcher() as connection:
        return await open_incident(connection, escalation, _new(rule, credential))


def _new(rule: AlertRule, credential: Any) -> NewIncident:
    return NewIncident(
        key=f"{rule.id}:{credential['id']}",
        rule_id=rule.id,
        case_id=None,
        integration="sms",
        credential_id=credential["id"],
        practice_id=credential["practice_id"],
        severity=rule.severity,
        title=rule.title,
        fault="theirs",
        since=datetime.now(UTC),
        facts={"provider": "twilio"},
        drill=None,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"version": "4"},
        {"version": "3", "alerts": []},
        {"version": "4", "alerts": [{"status": "perhaps", "labels": {}}]},
        {"version": "4", "alerts": [{"status": "firing", "labels": {"rule": "x" * 2000}}]},
    ],
)
async def test_what_is_no_notification_is_refused(door: Door, body: dict[str, Any]) -> None:
    """A body that is not Alertmanager's is told what is wrong with it."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with door.api.http.post(door.url, json=body, headers=headers) as answer:
        assert answer.status == 422
        assert (await answer.json())["errors"]
