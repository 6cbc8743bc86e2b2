"""What the fleet says while it burns and nobody was paged yet."""

from __future__ import annotations

import re

from mentalspace.engine.credentials import read_secrets
from mentalspace.workflows.doctor import examine
from tests.console.stage import Stage
from tests.console.test_doors import _csrf, visitor

_PENDING = """
insert into alert_state
  (key, rule_id, credential_id, practice_id, integration, state, since, detail)
select r.rule || ':' || c.id, r.rule, c.id, c.practice_id, 'email', r.state,
       app.now() - interval '70 s', r.detail::jsonb
  from credential c, (values
    ('email.queue_stands', 'pending', '{"value": 2000, "seen": "one waits for 33 min"}'),
    ('email.consecutive_failures', 'normal',
     '{"value": 3, "seen": "3 failed since the last success, to 3 people"}')
  ) as r (rule, state, detail)
 where c.practice_id = $1 and c.integration = 'email' and c.provider = 'resend'
on conflict (key) do update set state = excluded.state, since = excluded.since,
  detail = excluded.detail
"""
_HANGS = """
update heartbeat set beat_at = clock_timestamp() + interval '1 hour',
  started_at = clock_timestamp() - interval '3 hours', loops = jsonb_build_object('dispatch',
  jsonb_build_object('every_s', 1, 'failures', 0, 'waits', 'the database, in dispatch.dispatch',
    'well_at', clock_timestamp() - interval '4 min', 'error',
    'TimeoutError: there was no answer in time', 'failed_at', clock_timestamp()))
"""
_ACT = """
insert into timeline (practice_id, lane_id, kind, data, actor)
select practice_id, id, 'acted', '{"title": "Pause sending", "reason": "the carrier asked"}', 'Noor'
  from lane where credential_id = (select id from credential where endpoint = 'mesa'
   and integration = 'email') limit 1
"""
_SILENT = """
insert into incident (key, rule_id, integration, severity, title, fault, since, ack_due_at, facts,
                      status, resolved_at)
values ('x', 'house.loop_silent', 'house', 'critical', 'A living worker hangs', 'ours', app.now(),
        app.now(), '{}', 'open', null) returning id
"""


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_what_is_on_its_way_to_alert_and_what_changed_stand_first(stage: Stage) -> None:
    """A rule that holds with the instant at which it alerts, a streak with its count, a loop that
    hangs with what it waits for, a person's button, and whom the pages went to."""
    owner = stage.owner
    await owner.execute("update incident set status = 'resolved', resolved_at = app.now()")
    await owner.execute(_PENDING, stage.lakeside)
    await owner.execute(_ACT)
    await owner.execute(
        "insert into page (incident_id, target, meant, step, state, sent_at)"
        " values ($1, 'oncall', 'oncall', 7, 'sent', app.now())",
        stage.incident,
    )
    async with visitor(stage, "oncall") as http:

        async def read() -> str:
            async with http.get("/") as answer:
                assert answer.status == 200
                return words(await answer.text())

        page = await read()
        assert "Nothing waits for an on-call engineer" not in page
        assert "2 rules on the way to alert" in page
        assert re.search(
            r"Pending A mail waits .{0,120}33 of 30 min .{0,80}Alerts .{0,30}if it", page
        )
        assert "3 of 5 (3 failed since the last success, to 3 people)" in page
        assert re.search(r"Pause sending of Email, Mesa [\w ]+, by Noor: the carrier asked", page)
        assert re.search(r"to oncall: .{0,160}(acknowledged|closed by)", page)
        await owner.execute(_HANGS)
        page = await read()
        assert page.index("alive, but its loop dispatch has not turned well since") < page.index(
            "No incident yet"
        )
        assert "It waits for the database, in dispatch.dispatch." in page
        assert "TimeoutError: there was no answer in time" in page
        assert "Alive worker" not in page
        incident = await owner.fetchval(_SILENT)
        async with http.get(f"/incidents/{incident}") as answer:
            said = words(await answer.text())
        assert "Why, as it stands now" in said
        assert "It waits for the database, in dispatch.dispatch." in said
        [report] = await examine(stage.services, "email")
        assert report.verdict.whose in ("ours", "both")
        assert any("its loop dispatch hangs" in finding.text for finding in report.checks)
        await owner.execute("update heartbeat set beat_at = clock_timestamp() - interval '1 min'")
        page = await read()
        assert "silent since" in page
        assert page.index("nothing is sent, and no rule") < page.index("A living worker hangs")


_REFUSED = """
insert into hook_refusal (credential_id, practice_id, code, refused, since, last_at)
values ($1, $2, 'signature', 4, app.now() - interval '5 min', app.now())
"""


async def test_a_secret_is_entered_where_the_refused_callbacks_are_told(stage: Stage) -> None:
    """The page names the secret that signs, and what becomes of what was refused. What only signs
    is used at once; a key is tried first, and where nobody answers it takes a tick. Nothing of it
    is shown again, and the audit has who did it."""
    owner, services = stage.owner, stage.services
    credential = await owner.fetchval(
        "select id from credential where practice_id = $1 and integration = 'email'"
        " and provider = 'resend'",
        stage.mesa,
    )
    await owner.execute(_REFUSED, credential, stage.mesa)
    await owner.execute(
        "update incident set credential_id = $2 where id = $1", stage.incident, credential
    )
    path = f"/credentials/{credential}"

    async def kept() -> dict[str, str]:
        found = await read_secrets(owner, services.vault, "email", "mesa")
        assert found is not None
        return found

    before = await kept()
    async with visitor(stage, "oncall") as http:
        async with http.get("/?room=email") as answer:
            assert "The last one was refused" in words(await answer.text())
        for where in (path, f"/incidents/{stage.incident}"):
            async with http.get(where) as answer:
                said = words(await answer.text())
            assert "Compare and enter: webhook_secret , as the provider" in said
            assert "5 times within 7 h 45 min" in said
            assert "Whom it touches:" in said
        csrf = {"csrf": await _csrf(http)}

        async def enter(**fields: str) -> tuple[int, str]:
            given = {name.replace("__", "-"): value for name, value in fields.items()}
            async with http.post(f"{path}/secret", data={**csrf, **given}) as answer:
                return answer.status, await answer.text()

        assert (await enter())[0] == 422
        status, page = await enter(field__webhook_secret="whsec_bmV3LXNlY3JldA==")
        assert status == 200
        assert "The new secret is in use" in page
        assert "New secret entered: webhook_secret" in words(page)
        assert await kept() == {**before, "webhook_secret": "whsec_bmV3LXNlY3JldA=="}
        status, page = await enter(field__api_key="re_mesa_new")
        assert (status, (await kept())["api_key"]) == (422, before["api_key"])
        assert "could not be asked" in page
        status, page = await enter(field__api_key="re_mesa_new", untried="yes")
        assert (status, (await kept())["api_key"]) == (200, "re_mesa_new")
        assert "re_mesa_new" not in page
        assert "bmV3LXNlY3JldA" not in page
        async with http.get("/") as answer:
            assert re.search(
                "New secret entered, 2 times ?, last of Email, Mesa", words(await answer.text())
            )
    noted = await owner.fetch(
        "select subject, data::text from audit where action = 'credential_set'"
    )
    assert {row["subject"] for row in noted} == {str(credential)}
    assert not [row for row in noted if "re_mesa" in row["data"] or "whsec" in row["data"]]
