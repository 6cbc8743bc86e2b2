"""What several incidents have to do with each other, told to whoever may see it."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from uuid import UUID

from mentalspace.engine.incidents import note_recovery, open_incident
from tests.console.stage import Stage, succeed
from tests.console.test_doors import NAMES, visitor
from tests.console.test_fleet import _SILENT
from tests.console.test_group import _big, _failing, _struck

_BOTH = "Both ways out of Mesa Family Practice"
_TITLE = "Failures in a row"
# Two of Mesa's mails went over from Resend, and failed at the relay as well.
_WENT_OVER = """
with relay as (
  select c.id, l.id as lane_id from credential c join lane l on l.credential_id = c.id
   where c.practice_id = $1 and c.provider = 'smtp' and l.class = 'bulk'
), went as (
  update delivery d set credential_id = relay.id, lane_id = relay.lane_id from relay
   where d.id in (select ad.delivery_id from attempt a join attempt_delivery ad
                      on ad.attempt_id = a.id
                   where a.practice_id = $1 and a.state = 'failed' order by 1 limit 2)
  returning d.*
), tried as (
  insert into attempt (practice_id, lane_id, credential_id, integration, state, idempotency_key,
    worker, deadline_s, started_at, finished_at, evidence_kind, case_id, fault, traceparent)
  select practice_id, lane_id, credential_id, integration, 'failed', 'relay/' || id, 'w', 10,
         app.now(), app.now(), 'reset', 'email.smtp_unreachable', 'theirs', '00-0-0-00' from went
  returning id, practice_id, idempotency_key
)
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select t.id, went.id, t.practice_id from tried t
  join went on t.idempotency_key = 'relay/' || went.id
"""


async def _relay_struck(stage: Stage, practice_id: UUID) -> UUID:
    """The practice's other way fails too; that incident's id."""
    await stage.owner.execute(_WENT_OVER, practice_id)
    relay: UUID = await stage.owner.fetchval(
        "select id from credential where practice_id = $1 and provider = 'smtp'", practice_id
    )
    new = replace(
        _failing(relay, practice_id), case_id="email.smtp_unreachable",
        facts={"failed_recipients": 2, "provider": "smtp"},
    )  # fmt: skip
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
    found: UUID = await stage.owner.fetchval("select id from incident where key = $1", new.key)
    return found


async def _read(stage: Stage, path: str, who: str = "oncall") -> str:
    """In running text, as whoever reads it has it."""
    async with visitor(stage, who) as http, http.get(path) as answer:
        text = html.unescape(re.sub(r"<[^>]+>", "", await answer.text()))
    return re.sub(r"\s+", " ", text)


async def _without_the_refused_key(stage: Stage) -> None:
    """That trouble is over since an hour ago, and what went well was before."""
    await stage.owner.execute(
        "update incident set status = 'resolved', since = app.now() - '2 h'::interval,"
        " resolved_at = app.now() - '1 h'::interval, recovered_at = app.now() - '1 h'::interval"
    )
    await stage.owner.execute("update lane set state = 'open'")
    await stage.owner.execute(
        "update attempt set finished_at = finished_at - '1 h'::interval where state = 'succeeded'"
    )


async def test_both_ways_of_one_practice_are_told_as_one_amid_a_group(stage: Stage) -> None:
    """Resend fails two practices, and Mesa's relay breaks off as well: of Mesa's people one sum,
    none counted twice, on the fleet, in the list and on each of the pages, which name each other
    by their providers, that of the other practice's that leads too; whoever looks after that one
    is told nothing of it."""
    await _without_the_refused_key(stage)
    lead, member = await _struck(stage, stage.lakeside), await _struck(stage, stage.mesa)
    alone = await _read(stage, f"/incidents/{lead}")
    relay = await _relay_struck(stage, stage.mesa)
    assert "ways out" not in alone
    both = "5 people are touched by both together, none counted twice; none of them reached yet"
    fleet = await _read(stage, "/")
    assert fleet.count(both) == 1
    assert f"Email: {_BOTH} are out: {_TITLE}: Resend and {_TITLE}: SMTP relay. {both}" in fleet
    pages = ((lead, "SMTP relay"), (member, "SMTP relay"), (relay, "Resend"))
    for incident, other in pages:
        this = f"{_BOTH} are out: this and {_TITLE}: {other}"
        page = await _read(stage, f"/incidents/{incident}")
        assert f"{this}. {both}" in page
        assert "No mail leaves meanwhile." in page
        assert not [name for name in NAMES if name in page]
        assert fleet.count(this) == 1
    assert both in await _read(stage, "/incidents")
    paper = await _read(stage, f"/incidents/{relay}/post-mortem.md")
    assert both in paper and "No mail leaves meanwhile." in paper
    theirs = await _read(stage, f"/incidents/{lead}", "admin")
    assert "ways out" not in theirs + await _read(stage, "/", "admin")


async def test_a_group_is_one_line_and_each_practice_is_told_of_its_own(stage: Stage) -> None:
    """Two practices have lost both ways to the same two causes: on call sees one line and the sum
    of both, an administrator their own practice's people alone."""
    await _without_the_refused_key(stage)
    lead, _member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    await _relay_struck(stage, stage.mesa)
    relay = await _relay_struck(stage, stage.lakeside)
    fleet = await _read(stage, "/")
    assert fleet.count("touched by both together") == 1
    line = r"At 2 practices both ways out are out: .*\. 7 people are touched by both together,"
    assert re.search(line, fleet)
    page = await _read(stage, f"/incidents/{lead}")
    assert "At 2 practices both ways out are out: this and Failures in a row: SMTP relay." in page
    for path in ("/", f"/incidents/{relay}"):
        own = await _read(stage, path, "admin")
        assert re.search(
            r"Both ways out of Lakeside[^:]* are out: .*\. 2 people are touched by both", own
        )
        assert "2 practices both" not in own


async def test_a_way_that_takes_messages_meanwhile_is_not_out(stage: Stage) -> None:
    """Who takes them and when is said; once that way's incident is over, nothing joins the two, but
    for whoever reads of that time."""
    await _without_the_refused_key(stage)
    resend = await _struck(stage, stage.mesa)
    relay = await _relay_struck(stage, stage.mesa)
    went = await stage.owner.fetchval(
        "select d.id from delivery d join credential c on c.id = d.credential_id"
        " where c.provider = 'smtp' and c.practice_id = $1 and d.status = 'pending' limit 1",
        stage.mesa,
    )
    await succeed(stage.owner, went)
    page = await _read(stage, f"/incidents/{resend}")
    assert f"{_BOTH} fail: this and {_TITLE}: SMTP relay." in page
    assert "; 4 of them not reached yet, the next appointment among them" in page
    assert re.search(r"Mails leave meanwhile by SMTP relay, the last .*\d\d:\d\d", page)
    async with stage.services.database.as_dispatcher() as connection:
        await note_recovery(connection, relay, 5, None)
    assert "ways out" not in await _read(stage, f"/incidents/{resend}")
    over = await _read(stage, f"/incidents/{relay}")
    assert f"{_BOTH} failed: this and {_TITLE}: Resend. 5 people were touched" in over
    assert "Mails left meanwhile by SMTP relay" in over


async def test_a_third_way_is_one_that_is_left(stage: Stage) -> None:
    """Two of three are out; nothing is said of all."""
    await _without_the_refused_key(stage)
    resend = await _struck(stage, stage.mesa)
    await _relay_struck(stage, stage.mesa)
    await stage.owner.execute(
        "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
        " secrets, rate_per_s) select practice_id, integration, provider, 'third', base_url, live,"
        " secrets, 1 from credential"
        " where practice_id = $1 and provider = 'smtp'",
        stage.mesa,
    )
    page = await _read(stage, f"/incidents/{resend}")
    assert "2 of the 3 ways out of Mesa Family Practice are out: this and" in page


async def test_what_our_way_out_strikes_is_one_sum_over_all_rooms(stage: Stage) -> None:
    """Mails and texts of silent providers, each person once and by what; whom no incident tells of
    yet is among them; an administrator is told of their own practice's alone."""
    await _without_the_refused_key(stage)
    await stage.owner.execute(
        "update credential_state set last_good_at = app.now() - '1 h'::interval"
    )
    resend = await _struck(stage, stage.mesa)
    await stage.owner.execute(_SILENT, ["resend", "twilio"])
    one = await stage.owner.fetchrow(
        "select d.client_id, d.practice_id from delivery d join attempt_delivery ad"
        " on ad.delivery_id = d.id where d.practice_id = $1 and d.client_id is not null limit 1",
        stage.mesa,
    )
    await stage.owner.execute(_TEXT_WAITS, one["client_id"], stage.mesa)
    fleet = await _read(stage, "/")
    [(people, mails, texts)] = re.findall(
        r"(\d+) people are touched by all of it together in 2 practices, none counted twice:"
        r" (\d+) by a mail, (\d+) by a text; none of them has got it yet, the next appointment",
        fleet,
    )
    assert int(texts) == 1 and people == mails, "the text is for one who waits for a mail as well"
    page = await _read(stage, f"/incidents/{resend}")
    assert f"One cause, our way out: this. {people} people are touched by all of it" in page
    assert _big(await _raw(stage, f"/incidents/{resend}"), "people") == "5 people"
    doctor = await _read(stage, "/doctor/sms")
    assert f"{people} people are touched by all of it together in 2 practices" in doctor
    own = await _read(stage, "/doctor/sms", "admin")
    assert "touched by all of it together in 2 practices" not in own
    assert "Resend and Twilio do not answer, all at once" in own


_TEXT_WAITS = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  client_id, idempotency_key, status, due_at, next_attempt_at, traceparent)
select c.practice_id, l.id, c.id, 'sms', 'reminder', 'text', $1, 'waits', 'pending', app.now(),
       app.now(), '00-0-0-00'
  from credential c join lane l on l.credential_id = c.id and l.class = 'bulk'
 where c.provider = 'twilio' and c.practice_id = $2
"""


async def _raw(stage: Stage, path: str) -> str:
    async with visitor(stage, "oncall") as http, http.get(path) as answer:
        return await answer.text()
