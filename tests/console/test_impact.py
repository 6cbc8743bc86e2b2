"""Whom an incident touches: of the house everybody who waits, of a share only what it counts."""

from __future__ import annotations

import re
from uuid import UUID

from mentalspace.engine.house_alert import hold
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.workflows.impact.about import about_of
from tests.console.stage import Stage, fail, succeed, walk
from tests.console.test_doors import NAMES, visitor
from tests.console.test_group import _big


async def _read(stage: Stage, incident: UUID) -> str:
    async with visitor(stage, "oncall") as http, http.get(f"/incidents/{incident}") as answer:
        return await answer.text()


async def test_an_incident_of_the_house_counts_who_waits_in_all_practices(stage: Stage) -> None:
    """People, messages, practices and the first appointment are of whatever is due and has not
    left, as the fleet has them; once all of it left late, that is said; with nobody touched, no
    draft says that messages are late."""
    escalation = stage.services.runbooks.escalation
    async with stage.services.database.as_dispatcher() as connection:
        await hold(connection, escalation, "house.loop_silent", {"worker": "The worker is silent"})
    incident = await stage.owner.fetchval("select id from incident where integration = 'house'")
    calm = await _read(stage, incident)
    await stage.owner.execute(
        "update incident set since = app.now() - interval '20 min' where id = $1", incident
    )
    due = await stage.owner.fetch(
        "update delivery set due_at = app.now() - interval '10 min', next_attempt_at = app.now()"
        " where status = 'pending' and integration = 'email' returning id,"
        " practice_id, subject_id, recipient_key"
    )
    people, practices = len({d["recipient_key"] for d in due}), len({d["practice_id"] for d in due})
    assert practices == 2
    page = await _read(stage, incident)
    assert int(_big(page, "people").split()[0]) >= people
    assert "in 2 practices. The oldest was due 10 min ago" in page
    assert _big(page, "next").startswith("in ")
    assert int(re.findall(r"<b>(\d+)</b> waiting, kept", page)[0]) >= len(due)
    assert "some messages to clients are late" in page
    assert not [name for name in NAMES if name in page]
    await stage.owner.execute(
        "update delivery set client_id = (select client_id from delivery where id = $1)",
        due[0]["id"],
    )
    one = await _read(stage, incident)
    assert _big(one, "people") == "1 person", "however many addresses and documents lead to them"
    await stage.owner.execute(
        "update delivery set status = 'cancelled' where status = 'pending' and due_at <= app.now()"
        " and id <> $1",
        due[0]["id"],
    )
    await succeed(stage.owner, due[0]["id"])
    await stage.owner.execute(
        "update delivery set accepted_at = app.now() where id = $1", due[0]["id"]
    )
    late = await _read(stage, incident)
    assert _big(late, "people") == "1 person" and "Reached late, in 1 practice." in late
    assert _big(late, "next") == "None"
    assert "No message is late so far." in calm or "messages to clients are late" in calm


async def test_what_was_held_back_is_counted_with_who_was_told_otherwise(stage: Stage) -> None:
    """Three texts were taken and filtered: a mail brought the news to one, goes to the next, and
    not to the third. A pause of last week stands in no incident's story, and no draft says late."""
    incident, texts = await _filtered(stage)
    for text, status in zip(texts[:2], ("delivered", None), strict=True):
        mail = await stage.owner.fetchval(_INSTEAD, text)
        if status:
            await succeed(stage.owner, mail)
    for text in texts:
        await record(
            stage.owner, "wording_named", practice_id=stage.lakeside, delivery_id=text,
            data={"kind": "reminder", "language": "en", "signs": ["“click here”"]}, actor="worker",
        )  # fmt: skip
    page = await _read(stage, incident)
    assert "“Reminder” in English, 3 texts: “click here”" in page
    assert _big(page, "people") == "3 people"
    assert "1 not reached yet + 1 not reached, and not tried again + 1 told another way = 3" in page
    assert "Of the 1 not reached yet 1 is about to be told another way." in page
    assert "some text messages to clients were taken on their way and did not arrive" in page
    story = page.partition('aria-label="Timeline"')[2].partition("</ol>")[0]
    assert "Paused the lane" not in story


async def test_everybody_stands_in_one_part_and_the_parts_add_up(stage: Stage) -> None:
    """Whatever became of each, and by the worst where somebody has two messages; whoever has one
    coming and is not among them is told with what it is."""
    owner = stage.owner
    known = await owner.fetch(
        "select distinct on (recipient_key) id, attempts from delivery where practice_id = $1"
        " and integration = 'email' and status = 'pending' and due_at <= app.now()"
        " order by recipient_key, attempts desc",
        stage.mesa,
    )
    dropped, lost, otherwise, reached, open_ = sorted(known, key=lambda d: -d["attempts"])
    await fail(owner, otherwise["id"], 500, "x", "email.unauthorized", "wait", "ours")
    await owner.execute("update delivery set status = 'refused' where id = $1", otherwise["id"])
    await succeed(owner, await owner.fetchval(_TEXT, otherwise["id"]))
    await walk(owner, lost["id"], "due", "sending", "refused")
    await walk(owner, dropped["id"], "cancelled")
    await succeed(owner, reached["id"])
    await succeed(owner, await owner.fetchval(_SECOND, open_["id"], -5))
    await owner.execute(
        "update delivery set recipient_key = 'later', client_id = null where id = $1",
        await owner.fetchval(_SECOND, open_["id"], 120),
    )
    page = await _read(stage, stage.incident)
    assert _big(page, "people") == "5 people"
    assert "<code>x</code>, “API key is invalid.”, " in page, "in the provider's own words"
    assert (
        "1 not reached yet + 1 not reached, and not tried again + 1 reached since + 1 told another"
        " way + 1 with nothing to be told any more = 5 people." in page
    )
    assert re.search(r"\d+ more .* an e-mail due in the next 24 hours; the first <time", page)


async def test_who_asks_for_no_more_is_counted_and_nothing_else(stage: Stage) -> None:
    """A share of opt-outs counts those people; what failed by another cause is not its own."""
    incident, _texts = await _filtered(stage)
    await stage.owner.execute(
        "update incident set rule_id = 'sms.opt_out_rate_high', case_id = null, facts = $2"
        " where id = $1",
        incident,
        {"metric": "Opt-out rate", "value": 0.2, "n": 10, "window_s": 604800, "target": 0.01},
    )
    await stage.owner.execute(
        "insert into suppression (practice_id, integration, recipient_key, reason)"
        " select practice_id, 'sms', 'r' || n, 'opted_out' from incident, generate_series(1, 2) n"
        " where id = $1",
        incident,
    )
    page = await _read(stage, incident)
    assert _big(page, "people") == "2 people" and _big(page, "next") == "None"
    assert "2 clients asked so far." in page and "are late" not in page
    assert "/acts/pause" not in page and "Acknowledge</button>" in page


_TEXT = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, next_attempt_at, traceparent, subject_type, subject_id)
select l.practice_id, l.id, l.credential_id, 'sms', d.kind, 'r' || d.id, 'held/' || d.id,
       app.now() - interval '5 min', app.now(), '00-0-0-00', 'appointment', d.subject_id
  from lane l join delivery d on d.practice_id = l.practice_id and d.id = $1
 where l.integration = 'sms' and l.class = 'bulk' limit 1 returning id
"""
_SECOND = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, client_id,
  recipient_key,  idempotency_key, due_at, next_attempt_at, traceparent, subject_type, subject_id)
select practice_id, lane_id, credential_id, integration, 'second', client_id, recipient_key,
       'second/' || $2::int || id, app.now() + $2 * interval '1 min', app.now(), '00-0-0-00',
       subject_type, subject_id
  from delivery where id = $1 returning id
"""
_INSTEAD = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, traceparent, subject_type, subject_id)
select d.practice_id, l.id, l.credential_id, 'email', d.kind, 'm' || d.id, 'instead/' || d.id,
       '00-0-0-00', 'appointment', d.subject_id
  from delivery d join lane l on l.practice_id = d.practice_id and l.integration = 'email'
 where d.id = $1 limit 1 returning id
"""


async def _filtered(stage: Stage) -> tuple[UUID, list[UUID]]:
    """Three of Lakeside's texts, and their incident."""
    owner = stage.owner
    rows = await owner.fetch(
        "select min(id::text)::uuid as id from delivery where practice_id = $1"
        " and integration = 'email' group by subject_id order by 1 limit 3",
        stage.lakeside,
    )
    texts = [await owner.fetchval(_TEXT, row["id"]) for row in rows]
    for text in texts:
        await succeed(owner, text, last="failed")
        await walk(owner, text, last_case="sms.filtered")
    incident: UUID = await owner.fetchval(
        "insert into incident (key, rule_id, case_id, integration, credential_id, practice_id,"
        " severity, title, fault, since, ack_due_at, facts) select 'f', 'sms.texts_filtered',"
        " 'sms.filtered', 'sms', credential_id, practice_id, 'high', 'Filtered', 'ours',"
        " app.now() - interval '7 days', app.now(), '{}' from delivery where id = $1 returning id",
        texts[0],
    )
    await record(
        owner, "lane_paused", practice_id=stage.lakeside, data={"for_s": 60}, actor="runbook",
        lane_id=await owner.fetchval("select lane_id from delivery where id = $1", texts[0]),
    )  # fmt: skip
    await owner.execute("update incident set opened_at = app.now() + interval '3 min'")
    return incident, texts


def test_who_cannot_be_paged_is_no_client_that_is_not_reached() -> None:
    """What is late meanwhile has its own incident."""
    books = load_runbooks(list(discover_rooms().values()), None)
    for rule_id in ("house.channel_fails", "house.nobody_paged", "house.oncall_gap"):
        assert about_of(books, rule_id).nobody
    assert not about_of(books, "house.loop_silent").nobody
