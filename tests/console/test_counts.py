"""What pages count and show at night: what is stuck, whom it leaves out, and what it began with."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.cli.doctor import screen
from mentalspace.engine.runbook import AlertKind
from mentalspace.engine.watch.look import Subject
from mentalspace.engine.watch.streak import look_at_streaks
from mentalspace.workflows.doctor import RoomFinding, examine
from mentalspace.workflows.doctor.examine import together
from tests.console.stage import Stage, _attempt, _booked, _say, fail, walk
from tests.console.test_doors import visitor


async def test_what_rests_until_the_morning_is_told_apart_from_what_is_stuck(stage: Stage) -> None:
    """Of Mesa's messages two are stuck behind its key and the others are due outside their hours:
    card, incident, doctor and screen count two, and say that the others wait as they should."""
    resting = await _rest(stage)
    assert resting >= 3
    async with visitor(stage, "oncall") as http:
        async with http.get("/") as answer:
            card = (await answer.text()).split("Mesa Family Practice, credential")[1]
        async with http.get(f"/incidents/{stage.incident}") as answer:
            incident = await answer.text()
        async with http.get("/doctor/email") as answer:
            page = await answer.text()
    apart = f"{resting} wait for the morning, as they should"
    assert "<dd>2, oldest for" in card and apart in card.split("</article>")[0]
    assert "<b>2</b> waiting, kept" in incident and '<p class="big">2 people</p>' in incident
    assert f"Not counted: {resting} messages" in incident
    assert f"{resting} for the morning, as they should" in page
    [report] = await examine(stage.services, "email", practice_id=stage.mesa)
    [line] = [each for each in report.credentials if each.waiting or each.resting]
    assert (line.waiting, line.resting) == (2, resting)
    assert f"{resting} more wait for the morning, as they should" in screen(report)
    # The practice is in Phoenix, its clients' clocks in Chicago, which are an hour or two ahead.
    hour = re.compile(r"as they should, from \w{3} 0[67]:00 in Phoenix \(1[34]:00 UTC\)")
    for told in (card.split("</article>")[0], incident, page, " ".join(screen(report).split())):
        assert hour.search(told)


async def test_lists_and_pages_count_the_same_people_while_more_come(stage: Stage) -> None:
    """A minute old, an incident has met more people than when it was judged: the fleet and the list
    of incidents say as many as its own page, and how many of them the card says as well."""
    async with visitor(stage, "oncall") as http:

        async def read(path: str) -> str:
            async with http.get(path) as answer:
                return await answer.text()

        async def told() -> list[int]:
            fleet, listed, own = [
                await read(path) for path in ("/", "/incidents", f"/incidents/{stage.incident}")
            ]
            card = fleet.split("Mesa Family Practice, credential")[1].split("</article>")[0]
            found = [
                re.search(r"(\d+) (?:person|people) since it began, not reached now", fleet),
                re.search(r"(\d+) (?:person|people) since it began, not reached now", listed),
                re.search(r'<p class="big">(\d+) (?:person|people)</p>', own),
                re.search(r"<dt>People not reached now</dt><dd><b>(\d+)</b>", card),
            ]
            return [int(one[1]) for one in found if one]

        before = await told()
        assert len(before) == 4 and len(set(before)) == 1
        now = datetime.now(UTC)
        await _booked(stage, stage.mesa, "Mesa Newcomer", now + timedelta(hours=9), 60)
        assert await told() == [before[0] + 1] * 4


async def test_what_is_unknown_has_the_cause_that_it_began_with(stage: Stage) -> None:
    """Sending met no answer, and a question left it as unknown: the error, the message and the
    rule that opens incidents name the first, with the later state beside it; whom it leaves out
    and when they come is said without an incident, and of which practice it is."""
    unknown = await _unknown(stage)
    async with visitor(stage, "oncall") as http:
        async with http.get("/errors") as answer:
            errors = await answer.text()
        [row] = [r for r in errors.split("<tr ") if 'data-key="email-sms.no_answer"' in r]
        assert 'data-key="email-sms.look_again"' not in errors
        assert "Theirs" in row and "Mesa Family Practice" in row
        assert "Then, for 1 message" in row and "/runbook/sms.look_again" in row
        assert "1 not reached; the next comes" in row
        async with http.get("/messages?case=sms.no_answer") as answer:
            listed = await answer.text()
        assert f"/messages/{unknown}" in listed and "/runbook/sms.look_again" in listed
        async with http.get(f"/messages/{unknown}") as answer:
            message = await answer.text()
        cause, since = message.index("<dt>Cause</dt>"), message.index("<dt>Since then</dt>")
        assert "/runbook/sms.no_answer" in message[cause:since]
        assert "<dt>Asks again</dt><dd>now, as soon as a worker takes it" in message
        async with http.get("/") as answer:
            card = (await answer.text()).split("Mesa Family Practice, credential")[1]
        assert "<dt>People not reached now</dt><dd><b>5</b>, the next appointment" in card
    look = await _streak(stage, unknown)
    assert (look.case_id, look.fault) == ("sms.no_answer", "theirs")
    [report] = await examine(stage.services, "email", practice_id=stage.mesa)
    assert "5 people are not reached; the next appointment among them is" in screen(report)


async def test_what_was_taken_is_told_apart_from_what_arrived(stage: Stage) -> None:
    """What a provider took half an hour ago and no callback spoke of is a suspicious silence, by
    credential, on the fleet, the room's page and the doctor's screen; a callback ends it; a relay
    never calls back, which is no silence."""
    await stage.owner.execute(
        "update delivery set accepted_at = app.now() - interval '30 min' where accepted_at is not"
        " null"
    )
    silent = "no callback yet"
    async with visitor(stage, "oncall") as http:
        async with http.get("/") as answer:
            fleet = await answer.text()
        async with http.get("/doctor/email") as answer:
            room = await answer.text()
        [lakeside] = [card for card in fleet.split("<article") if silent in card]
        assert "Lakeside" in lakeside and silent in room
        assert "6</b> delivered" in lakeside and "0</b> taken, not heard of yet" in lakeside
        assert "6 taken in the last hour: 6 delivered." in lakeside
        assert "Supabase Storage never calls back" in fleet
        assert "never calls back" in room and fleet.count("No callbacks</") == 1
        [report] = await examine(stage.services, "email", practice_id=stage.lakeside)
        told = " ".join(screen(report).split())
        assert re.search(r"resend/\S+ none yet: no callback yet", told)
        assert "smtp never calls back" in told
        await stage.owner.execute(
            "insert into inbox (practice_id, credential_id, integration, provider, external_id,"
            " payload, state) select practice_id, id, 'email', 'resend', 'one', '', 'processed'"
            " from credential where practice_id = $1 and provider = 'resend'",
            stage.lakeside,
        )
        async with http.get("/") as answer:
            assert "no callback" not in await answer.text()
    [report] = await examine(stage.services, "email", practice_id=stage.lakeside)
    assert re.search(r"resend/\S+ \d+ s ago;", " ".join(screen(report).split()))


async def test_nothing_is_overdue_that_just_began_and_no_figure_denies_the_list(
    stage: Stage,
) -> None:
    """A critical incident asks to be taken now, and is not overdue as it opens; what is too young
    for the figures, or still to be sent, is named where they say that nothing is counted."""
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{stage.incident}") as answer:
            clock = (await answer.text()).split('id="clock"')[1].split("</section>")[0]
        assert (
            '<p class="big">Now</p>' in clock and "data-deadline" not in clock.split("Next page")[0]
        )
        async with http.get("/incidents") as answer:
            listed = await answer.text()
        assert "To be acknowledged at once" in listed and "overdue" not in listed
        async with http.get("/messages/figures") as answer:
            figures = await answer.text()
    assert "no message is counted yet" in figures and "no messages" not in figures
    assert "Not counted here yet: 6 messages taken or ended lately" in figures


def test_a_good_line_says_whose_it_is() -> None:
    """What credentials of one provider find alike is one line that names them, or counts many; it
    is never told of another provider's."""
    found = [
        RoomFinding("email", subject, "SPF", "good", "as it should be")
        for subject in ("resend/lakeside", "resend/mesa", "smtp/mesa")
    ]
    assert [f.subject for f in together(found)] == ["resend/lakeside, mesa", "smtp/mesa"]
    many = [replace(found[0], subject=f"resend/p{n}") for n in range(12)]
    assert [f.subject for f in together(many)] == ["resend/12 credentials"]


async def _unknown(stage: Stage) -> UUID:
    """A message of Mesa that got no answer, and that its provider does not show; its lanes run."""
    owner = stage.owner
    await owner.execute("delete from attempt_delivery")
    await owner.execute("update lane set state = 'open', paused_case = null")
    delivery: UUID = await owner.fetchval(
        "update delivery set due_at = app.now() - interval '5 min' where id = (select id from"
        " delivery where practice_id = $1 and integration = 'email' and attempts = 0"
        " and status = 'pending' order by id limit 1) returning id",
        stage.mesa,
    )
    await fail(owner, delivery, 504, "gateway", "sms.no_answer", "reconcile", "theirs")
    await walk(owner, delivery, "unknown", "sending")
    asked = await _attempt(owner, delivery, "failed")
    await owner.execute(
        "update attempt set purpose = 'reconcile', case_id = 'sms.look_again', case_version = 1,"
        " http = 200, evidence_kind = 'http', disposition = 'reconcile', fault = 'ours',"
        " started_at = app.now(), finished_at = app.now() + interval '1 ms' where id = $1",
        asked,
    )
    later = {"case": "sms.look_again", "evidence": "200", "disposition": "reconcile"}
    await _say(owner, "classified", delivery, later)
    await walk(owner, delivery, "unknown", last_case="sms.look_again")
    return delivery


async def _streak(stage: Stage, delivery: UUID) -> Any:
    row = await stage.owner.fetchrow(
        "select credential_id, practice_id, app.now() as now from delivery where id = $1", delivery
    )
    assert row is not None
    room = stage.services.runbooks.room("email")
    rule = next(r for r in room.overview.alerts if r.kind is AlertKind.CONSECUTIVE)
    subject = Subject(
        credential_id=row["credential_id"],
        practice_id=row["practice_id"],
        provider="resend",
        endpoint="mesa",
        drill=None,
        zone="UTC",
        opening=[[0, 1440]] * 7,
        last_good_at=None,
        now=row["now"],
    )
    async with stage.services.database.as_dispatcher() as connection:
        looks = await look_at_streaks(connection, room, rule, [subject])
    return looks[subject.credential_id]


async def _rest(stage: Stage) -> int:
    """What of Mesa's was not tried is due, and of hours that begin in three days."""
    now: datetime = await stage.owner.fetchval("select app.now()")
    week: list[Any] = [None] * 7
    week[(now.weekday() + 3) % 7] = [480, 1260]
    rows = await stage.owner.fetch(
        "update delivery set due_at = app.now() - interval '2 hours', hours = $2"
        " where practice_id = $1 and integration = 'email' and attempts = 0"
        " and status = 'pending' returning id",
        stage.mesa,
        {"zones": ["America/Chicago"], "week": week},
    )
    await stage.owner.execute(
        "update delivery set due_at = app.now() - interval '1 hour'"
        " where practice_id = $1 and attempts > 0",
        stage.mesa,
    )
    return len(rows)
