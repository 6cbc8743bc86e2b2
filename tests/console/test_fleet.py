"""The fleet of many practices: what needs somebody stands alone, the calm are told together."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from mentalspace.console.queries.fleet import MOST_CARDS
from mentalspace.console.queries.incident import open_incidents
from mentalspace.console.queries.listed import people_of
from mentalspace.engine.db import Connection
from tests.console.stage import Stage
from tests.console.test_doors import visitor

_CROWD = """
with made as (
  insert into practice (slug, name, timezone)
  select 'crowd-' || n, 'Crowd ' || n, 'UTC' from generate_series(1, 15) n returning id, slug)
, keyed as (
  insert into credential (practice_id, integration, provider, endpoint, base_url, live, secrets,
                          rate_per_s)
  select id, 'sms', 'twilio', slug, 'http://127.0.0.1:1', false, '', 1 from made
  returning id, practice_id, endpoint)
, stated as (
  insert into credential_state (credential_id, practice_id, last_good_at)
  select id, practice_id, app.now() from keyed)
insert into lane (practice_id, credential_id, integration, provider, class, state, paused_at,
                  paused_by)
select practice_id, id, 'sms', 'twilio', 'bulk',
       case endpoint when 'crowd-3' then 'paused' else 'open' end,
       case endpoint when 'crowd-3' then app.now() end,
       case endpoint when 'crowd-3' then 'Noor' end from keyed
"""
# Its last calls were answered, and yet what is due does not leave.
_STUCK = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, next_attempt_at, traceparent)
select l.practice_id, l.id, l.credential_id, l.integration, 'reminder', 'r', 'crowd/1',
       app.now() - interval '6 min', app.now(), '00-0-0-00'
  from lane l join credential c on c.id = l.credential_id where c.endpoint = 'crowd-5'
"""
# Nothing waits there but what is held for a person.
_HELD = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, status, traceparent)
select l.practice_id, l.id, l.credential_id, l.integration, 'reminder', 'r', 'crowd/held',
       app.now() - interval '6 min', 'held', '00-0-0-00'
  from lane l join credential c on c.id = l.credential_id where c.endpoint = 'crowd-3'
"""
# Its calls are answered, and what they took does not arrive.
_INCIDENT = """
insert into incident (key, rule_id, integration, credential_id, practice_id, severity, title, fault,
                      since, ack_due_at, facts)
select 'crowd', 'sms.texts_filtered', 'sms', id, practice_id, 'high', 'Filtered', 'ours',
       app.now(), app.now(), '{}' from credential where endpoint = 'crowd-7'
"""

# Its calls are answered, and what it calls back is signed with another secret.
_REFUSED = """
insert into hook_refusal (credential_id, practice_id, code, refused, since, last_at)
select id, practice_id, 'signature', 4, app.now() - interval '5 min', app.now()
  from credential where endpoint = 'crowd-9'
"""
# Some of its calls are not answered.
_IN_PART = """
insert into attempt (practice_id, lane_id, credential_id, integration, state, idempotency_key,
  worker, deadline_s, finished_at, evidence_kind, fault, traceparent)
select l.practice_id, l.id, l.credential_id, 'sms', case when n < 4 then 'unknown' else 'succeeded'
       end, 'part/' || n, 'w', 10, app.now() - interval '1 min', case when n < 4 then 'timeout' end,
       case when n < 4 then 'theirs' end, '00-0-0-00'
  from lane l join credential c on c.id = l.credential_id cross join generate_series(1, 9) n
 where c.endpoint = 'crowd-11'
"""
# All calls are answered: of the first what was taken is filtered, of the second nothing is heard.
_TAKEN = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, status, accepted_at, ended_at, last_case, traceparent)
select l.practice_id, l.id, l.credential_id, 'sms', 'reminder', 'r' || n,
       'taken/' || w.status || n, w.status, app.now() - w.ago, app.now() - w.ago + w.took,
       w.last_case, '00-0-0-00'
  from (values ('crowd-13', 'failed', 3, interval '2 min', interval '4 s', 'sms.filtered'),
               ('crowd-15', 'delivered', 10, interval '1 hour', interval '4 s', null),
               ('crowd-15', 'accepted', 3, interval '5 min', null, null))
         as w (endpoint, status, number, ago, took, last_case)
  join credential c on c.endpoint = w.endpoint join lane l on l.credential_id = c.id
 cross join generate_series(1, w.number) n
"""
_LAST_HEARD = """
insert into inbox (practice_id, credential_id, integration, provider, external_id, payload, state,
                   received_at)
select practice_id, id, 'sms', 'twilio', 'last', '', 'processed', app.now() - interval '6 min'
  from credential where endpoint = 'crowd-15'
"""


@pytest.mark.database
async def test_of_a_crowd_only_the_troubled_have_a_card(stage: Stage) -> None:
    await stage.owner.execute(_CROWD)
    await stage.owner.execute(_STUCK)
    await stage.owner.execute(_HELD)
    await stage.owner.execute(_INCIDENT)
    await stage.owner.execute(_REFUSED)
    for troubled in (_IN_PART, _TAKEN, _LAST_HEARD):
        await stage.owner.execute(troubled)

    async def read(path: str) -> tuple[int, str]:
        async with http.get(path) as answer:
            return answer.status, await answer.text()

    def cards(page: str) -> set[str]:
        return set(re.findall(r"credential <code>(crowd-\d+)</code>", page))

    async with visitor(stage, "oncall") as http:
        _, page = await read("/")
        assert cards(page) == {f"crowd-{n}" for n in (3, 5, 7, 9, 11, 13, 15)}
        assert "Incident open" in page
        assert "Callbacks refused" in page
        assert re.search(
            r"3 of 9 calls were not answered in the last 10 min, the last at [\d:]{8} UTC", page
        )
        assert "3 of 3 messages that Twilio took did not arrive in the last 10 min" in page
        assert "3 taken in the last hour: 0 delivered, 3 not brought." in page
        assert "No callback for 6 min; usually within 4 s" in page
        # This console stands without the door for webhooks, and says so.
        assert "usually within 4 s. Ours: our own door is not" in page
        assert "3 taken in the last hour: 0 delivered, 3 not heard of yet." in page
        assert "404 is answered where our door is" in page
        assert re.search(r"Our door refused 4, the last at [\d:]{8} UTC with 401 .signature.", page)
        assert re.search(
            r"none of it has been heard since [\d:]{8} UTC: their answers and STOP", page
        )
        said = re.search(r"<b>SMS</b>: (\d+) credentials of (\d+) practices calm", page)
        assert said and int(said[1]) >= 8 and int(said[2]) >= 8
        _, page = await read("/?room=sms")
        assert len(cards(page)) == 15
        assert "credentials of" not in page
        assert (await read("/?room=fax"))[0] == 404
        # Whoever has the heartbeats locked keeps nobody from the pages: they say what they cannot.
        await stage.owner.execute("begin; lock table heartbeat in access exclusive mode")
        try:
            async with asyncio.timeout(60):
                (_, page), (_, doctor) = await read("/"), await read("/doctor/storage")
        finally:
            await stage.owner.execute("rollback")
        assert "Whether any process is alive is not known here" in page
        assert "No worker is heard of" not in page
        for told in (page, doctor):
            assert re.search(r"table heartbeat locked by pid \d+, application", told)


# Of two providers nothing has come back since their last good answers.
_SILENT = """
insert into attempt (practice_id, lane_id, credential_id, integration, state, idempotency_key,
  worker, deadline_s, started_at, finished_at, evidence_kind, fault, traceparent)
select c.practice_id, l.id, c.id, c.integration, 'unknown', 'silent/' || c.id || n, 'w', 10,
       app.now() - interval '70 s', app.now() - interval '1 min', 'timeout', 'theirs', '00-0-0-00'
  from credential c join lane l on l.credential_id = c.id and l.class = 'bulk'
 cross join generate_series(1, 2) n
 where c.provider = any ($1) and c.drill is null
"""
_TIMED_OUT = """
insert into incident (key, rule_id, case_id, integration, credential_id, practice_id, severity,
                      title, fault, since, ack_due_at, facts)
select 'out', 'email.consecutive_failures', 'email.no_answer', 'email', id, practice_id, 'high',
       'Five mails in a row failed', 'theirs', app.now(), app.now(), '{}'
  from credential where provider = 'resend' and drill is null limit 1
returning id
"""
_FLIPS = """
insert into credential_check (credential_id, practice_id, answered_at, good, since, fault, said,
                              recent)
select id, practice_id, app.now(), true, app.now(), 'theirs', 'Resend answered 503', 'FFS'
  from credential where provider = 'resend' and drill is null
"""
_ALL_OUT = "update credential_state set breaker = 'open', opened_at = app.now()"


@pytest.mark.database
async def test_an_outage_of_everybody_is_one_page_and_one_cause(stage: Stage) -> None:
    """Of thirty broken cards two dozen are drawn and the others counted; several providers that are
    silent at once are our way out, on the fleet and in the doctor, until one of them answers."""
    await stage.owner.execute(_CROWD.replace("generate_series(1, 15)", "generate_series(1, 30)"))
    await stage.owner.execute(_ALL_OUT)
    await stage.owner.execute(
        "update credential_state set last_good_at = app.now() - '1 h'::interval"
    )
    await stage.owner.execute(_SILENT, ["resend"])
    said = "Resend and Twilio do not answer, all at once: more likely our own way out"
    async with visitor(stage, "oncall") as http:

        async def read(path: str) -> str:
            async with http.get(path) as answer:
                return await answer.text()

        page = await read("/")
        assert page.count('id="card-') == MOST_CARDS
        told = [int(n) for n in re.findall(r"</b>, at (\d+) more credentials? of", page)]
        total = await stage.owner.fetchval("select count(*) from credential where drill is null")
        assert MOST_CARDS + sum(told) == total
        assert said not in page
        await stage.owner.execute(_SILENT.replace("silent/", "more/"), ["twilio"])
        incident = await stage.owner.fetchval(_TIMED_OUT)
        # Nobody listens where they are: that is where the way ends.
        tried = r"Tried .*no connection opens \(127\.0\.0\.1: refused\); nor is it otherwise with"
        page = await read("/")
        assert said in page
        assert "Ours, it seems" in page
        assert re.search(tried, page)
        assert "Look at this host&#39;s network, its routes, and the firewall" in page
        page = await read(f"/incidents/{incident}")
        assert said in page
        assert re.search(tried, page)
        assert "Look at our own way out first" in page
        assert "more likely theirs" not in page
        await stage.owner.execute(_FLIPS)
        verdict = await read("/doctor/email")
        assert said in verdict
        assert re.search(tried, verdict)
        assert "so ended 2 of our own last 3 checks" in verdict
        await stage.owner.execute(
            "update credential_state s set last_good_at = app.now() from credential c"
            " where c.id = s.credential_id and c.provider = 'twilio' and c.endpoint = 'crowd-1'"
        )
        assert said not in await read("/")


@pytest.mark.database
async def test_a_list_of_incidents_waits_a_moment_for_its_counts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it the list shows what was counted last, and the page goes on."""

    async def for_ever(connection: Connection, *_rest: object) -> None:
        await connection.execute("select pg_sleep(9)")

    async with stage.services.database.as_oncall() as connection:
        incidents = await open_incidents(connection)
        assert await people_of(connection, stage.services.runbooks, incidents)
        monkeypatch.setattr("mentalspace.console.queries.listed._WITHIN_S", 0.05)
        monkeypatch.setattr("mentalspace.console.queries.listed.read_people", for_ever)
        assert await people_of(connection, stage.services.runbooks, incidents) == {}
        await connection.execute("select pg_sleep(0.1)")


@pytest.mark.parametrize(
    ("waits", "said"),
    [
        ("the database, in dispatch.dispatch", "mentalspace restart worker"),
        ("an answer from outside, in outbound._exchange", "a restart would ask the same"),
    ],
)
async def test_a_worker_that_waits_for_others_is_not_restarted(
    stage: Stage, waits: str, said: str
) -> None:
    """What to do beside a loop that falters: a restart brings no provider's answer."""
    loop = '{"every_s": 1, "failures": 0, "waits": "%s"}'
    await stage.owner.execute(
        "insert into heartbeat (process, kind, host, pid, started_at, loops) values"
        " ('slow', 'worker', 'here', 1, clock_timestamp() - interval '1 hour', $1)",
        {"dispatch": json.loads(loop % waits)},
    )
    try:
        async with visitor(stage, "oncall") as http, http.get("/") as answer:
            page = await answer.text()
        notice = next(part for part in page.split("<p ") if waits in part)
        ways = ("mentalspace restart worker", "a restart would ask the same")
        assert [way for way in ways if way in notice] == [said]
    finally:
        await stage.owner.execute("delete from heartbeat where process = 'slow'")


async def test_whoever_waits_is_told_as_their_room_says(stage: Stage) -> None:
    """A document that has no copy yet is here all the same, and the card says so."""
    async with visitor(stage, "oncall") as http, http.get("/") as answer:
        page = await answer.text()
    labels = set(re.findall(r"<dt>(People [^<]+)</dt>", page))
    assert {"People not reached now", "People without a copy of a document now"} <= labels


async def test_a_lane_that_a_case_paused_says_why_and_what_to_do(stage: Stage) -> None:
    """On top, before anybody was paged of it."""
    pause = (
        "update lane set state = $1, paused_case = $2, paused_at = app.now() - interval '1 min',"
        " paused_until = app.now() + interval '1 hour' where id in (select l.id from lane l"
        " join credential c on c.id = l.credential_id where c.endpoint = 'default'"
        " and c.provider = 'resend')"
    )
    await stage.owner.execute(pause, "paused", "email.daily_quota")
    try:
        async with visitor(stage, "oncall") as http, http.get("/") as answer:
            page = await answer.text()
    finally:
        await stage.owner.execute(pause, "open", None)
    [notice] = [part for part in page.split("<p ") if "Now:" in part and "Lakeside" in part][:1]
    assert "The plan’s mails of this day are used up." in notice
    assert "Raise the plan at Resend, then resume the lanes" in notice


async def test_what_is_said_of_several_practices_alike_is_said_once(stage: Stage) -> None:
    """With the people of all of them, and that nobody has to do anything for it to be tried."""
    out = (
        "update credential_state s set breaker = $1, opened_at = app.now() from credential c"
        " where c.id = s.credential_id and c.provider = 'supabase' and c.drill is null"
    )
    await stage.owner.execute(out, "open")
    try:
        async with visitor(stage, "oncall") as http, http.get("/") as answer:
            page = await answer.text()
    finally:
        await stage.owner.execute(out, "closed")
    notices = [part for part in page.split("<p ") if part.startswith('class="notice bad"')]
    said = [part for part in notices if "File storage, " in part]
    assert len(said) == 1
    assert "File storage, 2 practices</a>: <b>Breaker open</b>" in said[0]
    assert "a try, made by itself; what waits leaves then" in said[0]
