"""The console's doors: who gets in, what they are shown, and what a form must carry."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp

from tests.console.stage import CLIENT, PASSWORD, Owner, Stage, walk, write_drill

NAMES = (CLIENT, "Client Number", "Hal Heldperson", "Mesa Number", "client0@", "Gwen Goodrow")


@asynccontextmanager
async def visitor(stage: Stage, who: str | None) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody with a browser's cookies, logged in unless `who` is None."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(stage.url, cookie_jar=jar) as http:
        if who is not None:
            answer = await log_in(http, f"{who}@demo.example", PASSWORD)
            assert answer.url.path != "/login"
        yield http


async def log_in(http: aiohttp.ClientSession, email: str, password: str) -> aiohttp.ClientResponse:
    async with http.get("/login") as page:
        token = _hidden(await page.text(), "token")
    answer = await http.post(
        "/login", data={"token": token, "email": email, "password": password, "next": "/messages"}
    )
    await answer.read()
    return answer


def _hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, f"the page has no field {name}"
    return found[1]


async def _csrf(http: aiohttp.ClientSession) -> str:
    async with http.get("/messages") as page:
        return _hidden(await page.text(), "csrf")


async def test_a_stranger_is_sent_to_log_in(stage: Stage) -> None:
    """No page is shown to nobody; a page refreshing itself is told so plainly."""
    async with visitor(stage, None) as http:
        for path in ("/", "/incidents", "/messages", "/clients", "/imports", "/drills", "/sandbox"):
            async with http.get(path, allow_redirects=False) as answer:
                assert (path, answer.status) == (path, 303)
                assert answer.headers["location"].startswith("/login")
            async with http.get(f"{path}?fragment=1") as answer:
                assert answer.status == 401
        async with http.get("/messages?status=held&integration=sms") as answer:
            form = await answer.text()
        assert 'name="next" value="/messages?status=held&amp;integration=sms"' in form


async def test_a_wrong_password_says_so(stage: Stage) -> None:
    """The answer names the lock-out, keeps the address typed, and sets no session."""
    async with visitor(stage, None) as http:
        answer = await log_in(http, "oncall@demo.example", "guess")
        assert answer.status == 401
        text = await answer.text()
        assert "15 minutes" in text
        assert "oncall@demo.example" in text
        assert "ms_session" not in {cookie.key for cookie in http.cookie_jar}


async def test_log_in_needs_our_own_form(stage: Stage) -> None:
    """A form posted from elsewhere logs nobody in, even with the right password."""
    async with visitor(stage, None) as http:
        data = {"email": "oncall@demo.example", "password": PASSWORD, "token": "guessed"}
        async with http.post("/login", data=data) as answer:
            assert answer.status == 403


async def test_log_in_goes_nowhere_else(stage: Stage) -> None:
    """A link that would lead to another site after log-in leads to the start."""
    async with visitor(stage, None) as http:
        for bad in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"):
            async with http.get("/login", params={"next": bad}) as page:
                assert _hidden(await page.text(), "next") == "/"


async def test_roles_open_their_own_doors(stage: Stage) -> None:
    """Each role sees its pages and is refused the others, whatever the menu shows."""
    for who, allowed, refused in (
        ("oncall", "/ /incidents /doctor/email /drills /messages", "/clients /imports /tasks"),
        ("admin", "/ /incidents /drills /clients /imports", ""),
        (
            "frontdesk",
            "/appointments /tasks /imports /templates",
            "/incidents /doctor/email /drills",
        ),
        ("clinician", "/appointments /clients", "/imports /incidents /templates"),
        ("biller", "/appointments /tasks", "/imports /drills"),
    ):
        async with visitor(stage, who) as http:
            expected = dict.fromkeys(allowed.split(), 200)
            expected |= dict.fromkeys(refused.split(), 403)
            for path, http_status in expected.items():
                async with http.get(path) as answer:
                    assert (who, path, answer.status) == (who, path, http_status)


async def test_on_call_sees_no_names(stage: Stage) -> None:
    """No page open to an on-call engineer names a client or gives an address."""
    await stage.owner.execute("update incident set case_id = 'email.invalid_recipient'")
    paths = ["/", "/incidents", f"/incidents/{stage.incident}", "/messages", "/drills"]
    paths += ["/doctor/email", "/dead-letters", "/audit", f"/payloads/message/{stage.held}"]
    paths += [f"/messages/{stage.held}", f"/messages/{stage.delivered}"]
    async with visitor(stage, "oncall") as http:
        for path in paths:
            async with http.get(path) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert [name for name in NAMES if name in text] == []
                if path.startswith("/incidents/"):
                    assert "c***@***" in text, "the diagnosis should have shown masked addresses"


async def test_another_practice_is_not_there(stage: Stage) -> None:
    """Staff of one practice find no message, incident or client of another."""
    theirs = await stage.owner.fetchval(
        "select id from delivery where practice_id = $1 limit 1", stage.mesa
    )
    async with visitor(stage, "admin") as http:
        for path in (f"/messages/{theirs}", f"/incidents/{stage.incident}", f"/messages/{uuid4()}"):
            async with http.get(path) as answer:
                assert (path, answer.status) == (path, 404)
        for path in ("/clients", "/messages", "/"):
            async with http.get(path) as answer:
                assert "Mesa" not in await answer.text()


async def test_kinds_that_are_called_alike_are_one_choice(stage: Stage) -> None:
    """There is one “Answer to a text” to choose, and it shows all of them."""
    await stage.owner.execute("set session_replication_role = replica")
    for delivery, kind in ((stage.held, "answer_confirmed"), (stage.delivered, "answer_unclear")):
        await stage.owner.execute("update delivery set kind = $2 where id = $1", delivery, kind)
    await stage.owner.execute("set session_replication_role = origin")
    async with visitor(stage, "oncall") as http:
        async with http.get("/messages") as page:
            text = await page.text()
        assert len(re.findall(r'<option value="\w+">Answer to a text</option>', text)) == 1
        async with http.get("/messages?kind=answer_confirmed") as page:
            found = await page.text()
    assert '<option value="answer_confirmed" selected>Answer to a text</option>' in found
    assert all(f"/messages/{each}" in found for each in (stage.held, stage.delivered))


async def test_a_change_needs_the_sessions_token(stage: Stage) -> None:
    """A form without this session's token changes nothing."""
    async with visitor(stage, "oncall") as http:
        for path in (f"/incidents/{stage.incident}/acknowledge", "/drills", "/logout"):
            for csrf in ("", "guessed"):
                data = {"csrf": csrf, "drill": "email/server_error"}
                async with http.post(path, data=data) as answer:
                    assert (path, answer.status) == (path, 403)
        async with http.get("/messages") as answer:
            assert answer.status == 200
    assert await stage.owner.fetchval("select status from incident") == "open"
    assert stage.drills == []


async def test_only_on_call_takes_incidents(stage: Stage) -> None:
    """An administrator sees the practice's incident and may not acknowledge it."""
    await stage.owner.execute("update incident set practice_id = $1", stage.lakeside)
    async with visitor(stage, "admin") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            text = await answer.text()
            assert answer.status == 200
            assert "/acknowledge" not in text
        path, data = f"/incidents/{stage.incident}/acknowledge", {"csrf": await _csrf(http)}
        async with http.post(path, data=data) as answer:
            assert answer.status == 403
    assert await stage.owner.fetchval("select status from incident") == "open"


async def test_the_second_acknowledgment_says_it_was_late(stage: Stage) -> None:
    """Who presses after somebody else is told that nothing changed."""
    async with visitor(stage, "oncall") as http:
        path, data = f"/incidents/{stage.incident}/acknowledge", {"csrf": await _csrf(http)}
        async with http.post(path, data=data) as answer:
            assert "Escalation has stopped" in await answer.text()
        async with http.post(path, data=data) as answer:
            assert "it was done already" in await answer.text()


async def test_a_held_message_goes_on_when_a_person_says_so(stage: Stage) -> None:
    """The front desk lets it go on once; a biller may not, and later presses change nothing."""
    path = f"/messages/{stage.held}/release"
    async with visitor(stage, "biller") as http:
        answer = await http.post(path, data={"csrf": await _csrf(http)})
        assert answer.status == 403
    async with visitor(stage, "frontdesk") as http:
        data = {"csrf": await _csrf(http)}
        async with http.post(path, data=data) as answer:
            assert "It goes on, under the same key" in await answer.text()
        async with http.post(f"/messages/{stage.held}/give-up", data=data) as answer:
            assert "decided already" in await answer.text()
    status = await stage.owner.fetchval("select status from delivery where id = $1", stage.held)
    assert status == "pending"


async def test_a_refused_copy_of_a_document_goes_again(stage: Stage) -> None:
    """Dead letters count it and send it, in another message's place; the refused one's own page
    offers the same before, and leads to that other afterwards."""
    owner = stage.owner
    ids = await owner.fetchrow(
        "with file as (insert into storage.file (practice_id, bucket_id, name, version)"
        " values ($1, 'client-documents', 'a.pdf', gen_random_uuid()::text) returning version)"
        " insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " subject_type, subject_id, recipient_key, payload, idempotency_key, traceparent)"
        " select l.practice_id, l.id, l.credential_id, 'storage', 'document', 'document',"
        " version::uuid, 'k', '\\x00', 'storage/client-documents/a/b/document', '00-a-b-01'"
        " from file, lane l where l.practice_id = $1 and l.integration = 'storage'"
        " and l.class = 'bulk' returning id, subject_id",
        stage.lakeside,
    )
    assert ids is not None
    await walk(owner, ids["id"], "due", "sending", "refused", last_case="storage.too_large")
    async with visitor(stage, "frontdesk") as http:
        async with http.get(f"/messages/{ids['id']}") as answer:
            assert ">Send again</button>" in await answer.text()
        async with http.get("/dead-letters") as answer:
            assert "Send 1 again" in await answer.text()
        data = {"csrf": await _csrf(http), "integration": "storage", "case": "storage.too_large"}
        async with http.post("/dead-letters/again", data=data) as answer:
            text = await answer.text()
        assert "Sending 1 message again" in text and "Ended: " not in text
        async with http.post(f"/messages/{ids['id']}/again", data=data) as answer:
            text = await answer.text()
    assert "Nothing changed" in text
    new = await owner.fetchrow(
        "select id, status from delivery where subject_id = $1 and id <> $2",
        ids["subject_id"], ids["id"],
    )  # fmt: skip
    assert new is not None and new["status"] == "pending"
    assert f'It was sent again already: <a href="/messages/{new["id"]}"' in text


async def test_paused_lanes_are_resumed_from_the_incident(stage: Stage) -> None:
    """On-call resumes both lanes of the incident's credential, and the timeline says who."""
    async with visitor(stage, "oncall") as http:
        data = {"csrf": await _csrf(http)}
        async with http.post(f"/incidents/{stage.incident}/acts/resume", data=data) as answer:
            text = await answer.text()
    assert "The lanes run again" in text
    assert "a person resumed it" in text
    assert await stage.owner.fetchval("select count(*) from lane where state = 'paused'") == 0


async def test_a_demos_clock_moves_from_its_page(stage: Stage) -> None:
    """A day passes for the database when somebody presses the day's button, and no other length."""
    async with visitor(stage, "frontdesk") as http:
        csrf = await _csrf(http)
        async with http.post("/sandbox/clock", data={"csrf": csrf, "hours": "24"}) as answer:
            assert "The clock was moved" in await answer.text()
        async with http.post("/sandbox/clock", data={"csrf": csrf, "hours": "9999999"}) as answer:
            assert answer.status == 403
    offset = await stage.owner.fetchval("select clock_offset from app.clock")
    assert offset.total_seconds() == 24 * 3600


async def test_an_unchanged_page_is_not_sent_again(stage: Stage) -> None:
    """A page refreshing itself gets 304 while nothing changed, and anew when something did."""
    async with visitor(stage, "oncall") as http:
        address = f"/messages/{stage.delivered}?fragment=1"
        async with http.get(address) as answer:
            tag = answer.headers["etag"]
        async with http.get(address, headers={"if-none-match": tag}) as answer:
            assert answer.status == 304
            assert answer.headers["x-now"]
        await stage.owner.execute(
            "insert into timeline (practice_id, delivery_id, kind, data, actor)"
            " values ($1, $2, 'note', jsonb_build_object('text', 'Seen'), 'worker')",
            stage.lakeside,
            stage.delivered,
        )
        async with http.get(address, headers={"if-none-match": tag}) as answer:
            assert answer.status == 200
            assert "Seen" in await answer.text()


async def test_every_answer_forbids_foreign_scripts(stage: Stage) -> None:
    """The policy allows our own files alone, and no page has a script or style inside."""
    async with visitor(stage, "oncall") as http:
        for path in ("/", "/messages", f"/incidents/{stage.incident}", "/clients", "/runbook"):
            async with http.get(path) as answer:
                text = await answer.text()
                assert "default-src 'self'" in answer.headers["content-security-policy"]
                assert answer.headers["cache-control"] == "no-store"
                assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", text)


async def test_few_messages_get_no_percentage(stage: Stage) -> None:
    """Six messages are counted; twenty are counted and given a share, with their number."""
    async with visitor(stage, "admin") as http:
        async with http.get("/") as answer:
            text = await answer.text()
            assert "n = 6: too few for a percentage" in text
            assert " %" not in text
        await _deliver_more(stage.owner, stage, 14)
        async with http.get("/") as answer:
            text = await answer.text()
            assert "100 %" in text
            assert "n = 20" in text


async def test_a_failed_drill_says_what_did_not_hold(stage: Stage) -> None:
    """What was expected stands beside what was seen, and what differs is marked."""
    run = await stage.owner.fetchval("select id from drill_run where not passed")
    async with visitor(stage, "oncall") as http, http.get(f"/drills/{run}") as answer:
        text = await answer.text()
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in re.findall(r"<tr.*?</tr>", text, re.S)]
    held = {" ".join(row.split()) for row in rows}
    assert "Every message is While broken pending pending Yes" in held
    assert "Lane While broken paused open No" in held
    assert "Lane After recovery open open Yes" in held


async def test_a_silent_worker_is_seen(stage: Stage) -> None:
    """A process that stopped beating is shown as silent, and nothing above it is calm."""
    await stage.owner.execute("update incident set status = 'resolved'")
    await stage.owner.execute("update lane set state = 'open', paused_case = null")
    await stage.owner.execute("update attempt set finished_at = finished_at - interval '1 hour'")
    await stage.owner.execute("insert into pulse (name) values ('evaluate')")
    calm, alarm = "Nothing waits for an on-call engineer", "Silent for 1 min"
    async with visitor(stage, "oncall") as http:
        async with http.get("/") as answer:
            said = await answer.text()
            assert (calm in said, alarm in said) == (True, False)
            assert "The rules were last looked at" in said
        await stage.owner.execute(
            "update heartbeat set beat_at = clock_timestamp() - interval '70 s'"
        )
        async with http.get("/") as answer:
            said = await answer.text()
            assert (calm in said, alarm in said) == (False, True)


async def test_a_task_is_done_once(stage: Stage) -> None:
    """Done takes the task off the list and keeps who did it."""
    task = await stage.owner.fetchval("select id from task")
    async with visitor(stage, "frontdesk") as http:
        data = {"csrf": await _csrf(http)}
        async with http.post(f"/tasks/{task}/done", data=data) as answer:
            assert "Nothing to do" in await answer.text()
        async with http.post(f"/tasks/{task}/done", data=data) as answer:
            assert answer.status == 404
    assert await stage.owner.fetchval("select done_by is not null from task")


async def test_reading_clients_is_written_down(stage: Stage) -> None:
    """Opening a page with clients' names leaves a line in the audit; its refreshes do not."""
    async with visitor(stage, "frontdesk") as http:
        for path in ("/clients", "/clients?fragment=1", f"/messages/{stage.held}"):
            async with http.get(path) as answer:
                assert answer.status == 200
    rows = await stage.owner.fetch(
        "select action from audit where action like '%.read' order by id"
    )
    assert [row["action"] for row in rows] == ["clients.read", "message.read"]


async def test_a_wrong_upload_gets_a_sentence(stage: Stage) -> None:
    """Whatever is uploaded, the page comes back with a sentence and nothing landed."""
    async with visitor(stage, "frontdesk") as http:
        csrf = await _csrf(http)
        for name, body, says in (
            ("", b"", "Choose a file"),
            ("empty.csv", b"", ""),
            ("photo.csv", b"\x89PNG\r\n\x1a\n\x00\x00", ""),
            ("huge.csv", b"x" * (5 * 2**20 + 1), "larger than 5 MB"),
        ):
            form = aiohttp.FormData({"csrf": csrf})
            form.add_field("file", io.BytesIO(body), filename=name)
            async with http.post("/imports", data=form) as answer:
                text = await answer.text()
                assert answer.status in (413, 422), name
                assert 'role="alert"' in text, name
                assert says in text
    assert await stage.owner.fetchval("select count(*) from import_file") == 1


async def test_a_demo_shows_its_log_ins(stage: Stage) -> None:
    """The log-in page of a demo lists who can log in, with the printed password."""
    async with visitor(stage, None) as http, http.get("/login") as answer:
        text = await answer.text()
        for who in ("admin", "oncall", "frontdesk", "clinician", "biller"):
            assert f"{who}@demo.example" in text
        assert PASSWORD in text


async def _deliver_more(owner: Owner, stage: Stage, number: int) -> None:
    """So many further messages that went through in the last minute."""
    made: list[Any] = await owner.fetch(
        "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " recipient_key, status, idempotency_key, traceparent, attempts, accepted_at, ended_at)"
        " select practice_id, lane_id, credential_id, integration, kind, 'r' || n, 'delivered',"
        " 'more-' || n, traceparent, 1, app.now(), app.now()"
        " from delivery, generate_series(1, $2) n where id = $1 returning id",
        stage.delivered,
        number,
    )
    for row in made:
        await owner.execute(
            "with a as (insert into attempt (practice_id, lane_id, credential_id, integration,"
            " state, idempotency_key, worker, deadline_s, finished_at, traceparent)"
            " select practice_id, lane_id, credential_id, integration, 'succeeded',"
            " idempotency_key, 'w', 10, app.now(), traceparent from delivery where id = $1"
            " returning id, practice_id)"
            " insert into attempt_delivery select id, $1, practice_id from a",
            row["id"],
        )


async def test_a_page_number_that_is_none_shows_the_first(stage: Stage) -> None:
    """Whatever stands in the address for a page, the list of clients is shown."""
    async with visitor(stage, "admin") as http:
        for page in ("x", "-1", "\u00b2", "\u0663", "9" * 5000):
            async with http.get("/clients", params={"page": page}) as answer:
                assert (page[:3], answer.status) == (page[:3], 200)


async def test_the_doctors_page_stands_while_the_provider_is_away(stage: Stage) -> None:
    """Nobody answers here: it says whose that is, shows the rows it has, and what was counted."""
    async with visitor(stage, "oncall") as http:
        async with http.get("/doctor") as answer:
            assert answer.url.path == "/doctor/email"
            text = await answer.text()
        assert "Ours and theirs" in text, "a paused lane, and a provider that is not there"
        assert "status page cannot be read" in text
        assert "Average send time" in text
        assert "What was sent in the last day" in text
        async with http.get("/doctor/email?fragment=1") as answer:
            assert "Average send time" not in await answer.text(), "a refresh asks nobody"
        async with http.get("/doctor/nothing") as answer:
            assert answer.status == 404


async def test_an_administrators_doctor_knows_their_practice_alone(stage: Stage) -> None:
    """Their own credentials, rates and rows; that clients' data was read is written down."""
    async with visitor(stage, "admin") as http, http.get("/doctor/email") as answer:
        text = await answer.text()
    assert "resend/default" in text
    assert "resend/mesa" not in text
    read = await stage.owner.fetchval(
        "select count(*) from audit where practice_id = $1 and action = 'doctor.read'",
        stage.lakeside,
    )
    assert read == 1


async def test_an_incident_of_a_rate_tells_the_rate_and_its_people(stage: Stage) -> None:
    """Without an error case behind it: the share with its n, who was not reached, the issue."""
    await stage.owner.execute(
        "update incident set rule_id = 'email.bounce_rate_high', case_id = null,"
        " fault = 'recipient', since = app.now() - interval '1 hour', facts = $1,"
        " credential_id = (select credential_id from delivery where id = $2)",
        {
            "metric": "Bounce rate",
            "value": 0.375,
            "n": 8,
            "target": 0.02,
            "window_s": 86400,
            "first_step": "Investigate domain reputation",
        },
        stage.held,
    )
    await stage.owner.execute("update delivery set status = 'bounced' where id = $1", stage.held)
    path = f"/incidents/{stage.incident}"
    async with visitor(stage, "oncall") as http, http.get(path) as answer:
        text = await answer.text()
    assert "Bounce rate 37.5% of 8 in the last 24 h, target 2%" in text
    assert re.search(r"People affected</h2>\s*<p class=\"big\">[1-9]", text)
    assert "Emails Not Being Delivered" in text
    assert "What did not arrive in the last day" in text
    assert "b***@***" not in text.partition("What did not arrive")[0]


async def test_a_rehearsal_is_told_in_its_order(stage: Stage) -> None:
    """Its steps stand as they follow one another, whichever way the database kept them."""
    rehearsal = next(
        each for each in stage.services.runbooks.rehearsals if each.id == "house/second_factor"
    )
    expected = {step.do: step.expect for step in reversed(rehearsal.steps)}
    observed = {"then": {**expected, "enrol": "0 recovery codes"}, "missing": ["enrol"]}
    await stage.owner.execute(
        "insert into drill_run (id, drill, finished_at, passed, expected, observed, seconds, actor)"
        " values ('rehearsed', $1, app.now(), false, $2, $3, 3, 'Noor')",
        rehearsal.id,
        {"then": expected},
        observed,
    )
    async with visitor(stage, "oncall") as http, http.get("/drills/rehearsed") as answer:
        text = await answer.text()
    steps = re.findall(r'data-label="When">(Step \d+)<', text)
    assert steps == [f"Step {number}" for number in range(1, len(rehearsal.steps) + 1)]
    assert text.count(">No</span>") == 1
    assert "While broken" not in text


async def test_a_drill_of_the_house_links_the_rules_that_it_proves(stage: Stage) -> None:
    """To the pages that on-call has of them."""
    run = await write_drill(stage.owner, "house/ways_fail", True)
    async with visitor(stage, "oncall") as http, http.get(f"/drills/{run}") as answer:
        text = await answer.text()
    assert answer.status == 200
    for rule in ("house.channel_fails", "house.nobody_paged"):
        assert f'href="/alerts/rules/{rule}"' in text
