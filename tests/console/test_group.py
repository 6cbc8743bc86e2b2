"""A group's page and papers tell the sums of all practices; the archive's tell what returned."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mentalspace.engine.archive import bring_back
from mentalspace.engine.grouping import sum_up
from mentalspace.engine.incidents import NewIncident, acknowledge, note_recovery, open_incident
from mentalspace.engine.refused_keys import TITLE as KEYS_REFUSED
from mentalspace.kernel.case import Severity
from tests.console.stage import Stage
from tests.console.test_doors import NAMES, _csrf, visitor

TITLE = "Failures in a row"


def _failing(credential_id: UUID, practice_id: UUID) -> NewIncident:
    return NewIncident(
        key=f"email.consecutive_failures:{credential_id}",
        rule_id="email.consecutive_failures",
        case_id="email.server_error",
        integration="email",
        credential_id=credential_id,
        practice_id=practice_id,
        severity=Severity.HIGH,
        title=TITLE,
        fault="theirs",
        since=datetime.now(UTC) - timedelta(minutes=2),
        facts={"failed_recipients": 5, "provider": "resend"},
        drill=None,
    )


async def _credential_of(stage: Stage, practice_id: UUID) -> UUID:
    found: UUID = await stage.owner.fetchval(
        "select id from credential where practice_id = $1 and provider = 'resend'", practice_id
    )
    return found


async def _struck(stage: Stage, practice_id: UUID) -> UUID:
    """The provider failed this practice, as the evaluator would see it; that incident's id."""
    credential_id = await _credential_of(stage, practice_id)
    await stage.owner.execute(
        "update attempt set fault = 'theirs' where fault = 'ours' and credential_id = $1",
        credential_id,
    )
    new = _failing(credential_id, practice_id)
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
    found: UUID = await stage.owner.fetchval("select id from incident where key = $1", new.key)
    return found


def _big(text: str, heading: str) -> str:
    """What stands in large letters under a heading of the page."""
    found = re.search(rf'<h2 id="{heading}">.*?<p class="big">(.*?)</p>', text, re.S)
    assert found, heading
    return found[1]


async def test_a_group_tells_its_own_sums(stage: Stage) -> None:
    """People, messages, the first appointment, what the system did and the last good call are all
    practices', on the page, in the text to post and in the post-mortem; a member's page and its
    administrator keep to their own."""
    lead, member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{lead}") as answer:
            page = await answer.text()
        async with http.get(f"/incidents/{member}") as answer:
            of_one = await answer.text()
        async with http.get(f"/incidents/{lead}/post-mortem.md") as answer:
            paper = await answer.text()
        async with http.get(f"/incidents/{lead}/post-mortem.pdf") as answer:
            assert (await answer.read()).startswith(b"%PDF-")
        async with http.get(f"/incidents/{member}/post-mortem.md") as answer:
            paper_of_one = await answer.text()
    # Five of Mesa's wait or failed; at Lakeside one is held, and one from the calendar waits.
    assert _big(page, "people") == "7 people"
    assert _big(of_one, "people") == "2 people"
    assert "<b>In 2 practices</b>" in page
    assert "7 clients in 2 practices touched so far: 7 not reached yet; first" in page
    assert "7 people in 2 practices touched when this was written: 7 not reached yet" in paper
    assert "2 people touched" in paper_of_one
    assert f"paged and taken with incident {lead}" in paper_of_one
    # Mesa never had a good answer, and Lakeside had.
    assert re.search(r"\*\*Last good call:\*\* \d{4}-", paper)
    for row in (r"\| Mesa[^|]* \| 5 \| 5 \| never", r"\| Lakeside[^|]* \| 2 \| 2 \| \d{4}-"):
        assert re.search(row, paper), row
    assert "The same cause as elsewhere: one page for all, at 1 more practice" in paper
    assert "3 tries failed and 6 succeeded" in paper
    assert not [name for name in NAMES if name in page + paper]
    async with visitor(stage, "admin") as http, http.get(f"/incidents/{member}") as answer:
        theirs = await answer.text()
    assert _big(theirs, "people") == "2 people"
    assert "practices" not in _big(theirs, "people") + theirs.partition('id="status-text"')[2]


async def test_keys_refused_together_are_told_as_theirs(stage: Stage) -> None:
    """The page says whose it is most likely and why, what not to do, and offers no new secret; the
    list and the text to post say the same, and a member's administrator is told of the others."""
    await stage.owner.execute(
        "update incident set status = 'resolved', resolved_at = app.now(), recovered_at = app.now()"
    )
    lead, member = [
        await _refused(stage, await _credential_of(stage, each), each)
        for each in (stage.mesa, stage.lakeside)
    ]
    async with stage.services.database.as_oncall() as connection:
        assert await acknowledge(connection, lead, "noor")
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{lead}") as answer:
            page = await answer.text()
        async with http.get("/incidents") as answer:
            listed = await answer.text()
        async with http.get(f"/incidents/{lead}/post-mortem.md") as answer:
            paper = await answer.text()
    assert _big(page, "whose") == "Theirs, most likely"
    assert _big(page, "people") == "7 people", "as the tries said, which met what is called ours"
    assert "Resend refuses the keys of 2 practices: many do not expire at once" in page
    assert "Enter no new keys yet" in page and "Enter the secret" not in page
    assert "The cause most likely lies with our e-mail provider" in page
    assert "<b>Theirs, most likely</b>" in listed
    assert "Resend refuses the keys of 2 practices" in paper
    async with visitor(stage, "admin") as http, http.get(f"/incidents/{member}") as answer:
        theirs = await answer.text()
    assert "Resend refuses the keys of other practices as well" in theirs


async def _refused(stage: Stage, credential_id: UUID, practice_id: UUID) -> UUID:
    alone = _failing(credential_id, practice_id)
    new = replace(
        alone,
        key=f"email.credential_refused:{credential_id}",
        rule_id="email.credential_refused",
        case_id="email.unauthorized",
        severity=Severity.CRITICAL,
        title=KEYS_REFUSED,
        fault="theirs",
        facts={**alone.facts, "refused_together": True, "met": "ours"},
        shared="refused:email.unauthorized:resend:2026-11-29T09:00:00",
    )
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
        await sum_up(connection)
    found: UUID = await stage.owner.fetchval(
        "select id from incident where key = $1 and status <> 'resolved'", new.key
    )
    return found


async def test_a_group_is_over_with_its_last_practice(stage: Stage) -> None:
    """One that looks recovered is counted, and the text goes on saying that messages are late; with
    the last it says that they go out again. Practices in two zones find both hours."""
    lead, member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    async with stage.services.database.as_dispatcher() as connection:
        await note_recovery(connection, lead, 5, None)
    async with visitor(stage, "oncall") as http:
        async with http.get(f"/incidents/{lead}") as answer:
            page = await answer.text()
        assert "1 of which looks recovered" in page
        assert "are late or have not gone out" in page
        assert re.search(r"Since \d\d:\d\d (New York|Chicago) [^.]*/ \d\d:\d\d Phoenix", page)
        assert "Its hours are those of the practices, in 2 time zones." in page
        assert "No sign of recovery so far" in page
        async with stage.services.database.as_dispatcher() as connection:
            await note_recovery(connection, member, 5, None)
        async with http.get(f"/incidents/{lead}") as answer:
            page = await answer.text()
    assert "Messages go out again" in page
    assert "It is over since" in page and "Over, not closed" in page
    assert not re.search('badge bad">.{1,300}High', page.partition("<h1>")[0])
    assert "Looks recovered, at 1 more practice" in page


async def test_a_button_of_a_group_is_for_all_of_it(stage: Stage) -> None:
    """Counted for each first; where it is done already it stays; a member's own page acts on that
    practice alone."""
    lead, member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    path = f"/incidents/{lead}/acts/pause"
    data = {"reason": "their status page says so", "minutes": "60"}
    async with visitor(stage, "oncall") as http:
        async with http.get(path) as answer:
            page = await answer.text()
        # Mesa's lanes stand still already.
        assert re.search(r"At 1 of 2 credentials of the group: \d+ messages? due and not", page)
        assert "Lakeside" in page
        await stage.owner.execute("update lane set state = 'open', paused_by = null")
        async with http.get(f"/incidents/{lead}") as answer:
            assert "At 2 of 2 credentials of the group" in await answer.text()
        data["csrf"] = await _csrf(http)
        async with http.post(path, data={**data, "reason": ""}) as answer:
            assert answer.status == 409
        async with http.post(path, data=data) as answer:
            assert "4 lanes paused. What waits is kept. At 2 credentials" in await answer.text()
        async with http.post(f"/incidents/{member}/acts/resume", data=data) as answer:
            assert "The lanes run again" in await answer.text()
    open_at = await stage.owner.fetch(
        "select distinct l.practice_id from lane l join credential c on c.id = l.credential_id"
        " where c.provider = 'resend' and l.state = 'open' and l.practice_id = any ($1)",
        [stage.mesa, stage.lakeside],
    )
    assert [row["practice_id"] for row in open_at] == [stage.lakeside]


async def test_the_archive_gives_back_what_got_worse_or_came_back(stage: Stage) -> None:
    """Archived by its button, it leaves the list; with many more people it is in it again, and says
    why. What had recovered and fails again says that it came back."""
    incident = await _struck(stage, stage.mesa)
    async with visitor(stage, "oncall") as http:
        data = {"csrf": await _csrf(http)}
        async with http.post(f"/incidents/{incident}/archive", data=data) as answer:
            assert "It comes back by itself when it gets worse." in await answer.text()
        async with http.get("/incidents") as answer:
            open_, archived = _sections(await answer.text())
        assert (TITLE in open_, TITLE in archived) == (False, True)
        await _judge(stage, incident, people=9)
        async with http.get("/incidents") as answer:
            assert TITLE in _sections(await answer.text())[1]
        await _judge(stage, incident, people=10)
        async with http.get("/incidents") as answer:
            open_, archived = _sections(await answer.text())
        assert (TITLE in open_, TITLE in archived) == (True, False)
        assert "Worse than when archived" in open_
        async with stage.services.database.as_dispatcher() as connection:
            await note_recovery(connection, incident, 5, None)
        await _struck(stage, stage.mesa)
        async with http.get("/incidents") as answer:
            open_, _archived = _sections(await answer.text())
        async with http.get(f"/incidents/{incident}") as answer:
            page = await answer.text()
    assert "Came back" in open_
    assert "Worse than when archived" not in open_
    assert "It got worse in the archive, and is open again: 5 people then, 10 now" in page
    assert "It came back after it had looked recovered" in page


def _sections(text: str) -> tuple[str, str]:
    """What is not resolved, and what is archived."""
    listed = text.partition('id="open"')[2].partition('id="past"')[0]
    open_, _, archived = listed.partition('id="archived"')
    return open_, archived


async def _judge(stage: Stage, incident: UUID, people: int) -> None:
    """The evaluator counts this many by now, and looks into the archive."""
    await stage.owner.execute(
        "update incident set facts = facts || jsonb_build_object('failed_recipients', $2::int)"
        " where id = $1",
        incident,
        people,
    )
    async with stage.services.database.as_dispatcher() as connection:
        await bring_back(connection, stage.services.runbooks.escalation)
