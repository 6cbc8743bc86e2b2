"""An incident that is about to be over: what is recommended, and where it stands in the lists."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from mentalspace.console.rounds import Round, clocks, rounds_of
from mentalspace.engine.credential_check import note_good_answer
from mentalspace.engine.document import Document, to_markdown
from mentalspace.engine.incidents import NewIncident, acknowledge, note_recovery, open_incident
from mentalspace.kernel.case import Severity
from tests.console.stage import Stage
from tests.console.test_doors import visitor
from tests.console.test_group import _struck

THREE = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


async def _page(stage: Stage, path: str | None = None) -> str:
    where = path or f"/incidents/{stage.incident}"
    async with visitor(stage, "oncall") as http, http.get(where) as answer:
        return await answer.text()


async def _recovers(stage: Stage, since_s: int = 60) -> None:
    """Its lanes run, and its rule holds no more."""
    await stage.owner.execute(
        "update lane set state = 'open', paused_at = null, paused_by = null, paused_case = null"
    )
    await stage.owner.execute(
        "insert into alert_state (key, rule_id, credential_id, practice_id, integration, state,"
        " since, detail) select key, rule_id, credential_id, practice_id, integration,"
        " 'recovering', app.now() - $2 * interval '1 s', '{}' from incident where id = $1",
        stage.incident,
        since_s,
    )


async def test_while_its_rule_recovers_one_waits(stage: Stage) -> None:
    """Since when, and about when it is over; no other thing is recommended. A lane that stands
    still recovers nothing, whatever its rule says."""
    assert "No sign of recovery so far" in await _page(stage)
    await _recovers(stage)
    page = await _page(stage)
    now = page.partition('aria-label="What to do now"')[2].partition("</section>")[0]
    assert "Recovering since" in now
    assert re.search(r"over about <time [^>]+>[^<]+</time> if nothing fails", now)
    assert "Wait: nothing needs doing." in now
    assert "Recovering</span>" in page
    assert "No sign of recovery" not in page
    assert "It is recovering since" in page
    assert "Enter the secret" not in page
    await stage.owner.execute("update alert_state set since = app.now() - interval '20 min'")
    assert "over once enough has gone well" in await _page(stage)
    await stage.owner.execute("update lane set state = 'paused', paused_by = 'Ada'")
    assert "Recovering" not in (await _page(stage)).partition("<h1>")[0]


async def test_a_group_recovers_with_its_last(stage: Stage) -> None:
    """Whoever leads others recovers only while each that is not over does."""
    lead, member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    stage.incident = lead
    await _recovers(stage)
    assert "Recovering since" not in await _page(stage, f"/incidents/{lead}")
    stage.incident = member
    await _recovers(stage)
    assert "Recovering since" in await _page(stage, f"/incidents/{lead}")
    async with stage.services.database.as_dispatcher() as connection:
        await note_recovery(connection, lead, 5, None)
    # What is left of it recovers.
    assert "Recovering since" in await _page(stage, f"/incidents/{lead}")


async def test_what_burns_stands_above_what_recovers(stage: Stage) -> None:
    """On the fleet and in the list a new High is above a Critical that is about to be over."""
    await _recovers(stage)
    await stage.owner.execute("update incident set ack_due_at = app.now() - interval '7 min'")
    new = NewIncident(
        key="sms.texts_filtered:x", rule_id="sms.texts_filtered", case_id=None, integration="sms",
        credential_id=None, practice_id=stage.mesa, severity=Severity.HIGH, title="Burning",
        fault="ours", since=datetime.now(UTC), facts={}, drill=None,
    )  # fmt: skip
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
    for path in ("/", "/incidents"):
        page = await _page(stage, path)
        listed = page.partition('<ul class="incidents">')[2]
        assert listed.index("Burning") < listed.index("refuses a practice"), path
        assert "<b>Recovering since" in listed
        assert "To be acknowledged at once, overdue for 7 min" in listed
    assert "has not held since" in await _page(stage, "/")
    await stage.owner.execute("delete from alert_state")
    listed = (await _page(stage, "/incidents")).partition('<ul class="incidents">')[2]
    assert listed.index("Burning") > listed.index("refuses a practice")


async def test_what_our_own_check_finds_well_is_resumed(stage: Stage) -> None:
    """A lane that a case pauses stands still until somebody resumes it. An answer from before the
    last failure says nothing, and one that was well all along does not see the trouble, unless it
    is the key itself that was refused."""
    refused = "Enter the secret"
    assert refused in await _page(stage)
    await stage.owner.execute(
        "insert into credential_check (credential_id, practice_id, good, recent, since,"
        " answered_at, case_id) select credential_id, practice_id, true, 'FFS', app.now(),"
        " app.now() - interval '1 h', null from incident where id = $1"
        " on conflict (credential_id) do update set good = true, answered_at ="
        " excluded.answered_at, since = excluded.since, recent = 'FFS', case_id = null",
        stage.incident,
    )
    assert refused in await _page(stage)
    await stage.owner.execute("update credential_check set answered_at = app.now()")
    page = await _page(stage)
    assert "Resume the lanes: Resend answers our own check well again" in page
    assert re.search(r'class="button main" id="act-resume"', page)
    assert refused not in page
    await stage.owner.execute(
        "update credential_check set since = '2026-01-01', recent = 'SSSSSS';"
        "update incident set case_id = 'email.domain_not_verified'"
    )
    assert "answers our own check well again" not in await _page(stage)
    await stage.owner.execute("update credential_check set case_id = 'email.domain_not_verified'")
    assert "answers our own check well again" in await _page(stage)


async def test_a_good_answer_to_whoever_opens_the_page_is_kept(stage: Stage) -> None:
    """Once, where it is news: the page says the same at its next refresh. One that follows a good
    one changes nothing."""
    credential = await stage.owner.fetchval("select credential_id from incident")
    await stage.owner.execute(
        "insert into credential_check (credential_id, practice_id, good, recent, since,"
        " answered_at) select id, practice_id, false, 'SFF', app.now(), app.now()"
        " from credential where id = $1",
        credential,
    )
    for _ in range(2):
        async with stage.services.database.as_dispatcher() as connection:
            await note_good_answer(connection, credential)
    kept = await stage.owner.fetchrow("select good, recent from credential_check")
    assert kept is not None
    assert tuple(kept) == (True, "SFFS")
    # One that was never asked so far, too.
    await stage.owner.execute("update credential_check set good = null, answered_at = null")
    async with stage.services.database.as_dispatcher() as connection:
        await note_good_answer(connection, credential)
    assert "Resume the lanes:" in await _page(stage)


async def test_it_is_over_since_the_first_that_went_well(stage: Stage) -> None:
    """And not since the end of the time for which it was watched, which is told apart."""
    await stage.owner.execute("update attempt set finished_at = app.now() - interval '30 min'")
    good = await stage.owner.fetchval(
        "update attempt set state = 'succeeded', fault = null,"
        " finished_at = app.now() - interval '10 min'"
        " where id = (select id from attempt where fault = 'ours' and credential_id ="
        " (select credential_id from incident) order by id limit 1) returning finished_at"
    )
    await stage.owner.execute(
        "update incident set since = app.now() - interval '31 min', opened_at = since"
    )
    async with stage.services.database.as_dispatcher() as connection:
        held = await connection.fetchval("select app.now() - interval '9 min'")
        await note_recovery(connection, stage.incident, 5, None, held_since=held, of_tries=True)
    page, listed = await _page(stage), await _page(stage, "/incidents")
    assert f'It is over since <time datetime="{good.isoformat()}"' in page
    assert "1 try has gone well since, and none badly. It was watched until" in page
    assert f'Over since <time datetime="{good.isoformat()}"' in listed
    paper = await _page(stage, f"/incidents/{stage.incident}/post-mortem.md")
    assert re.search(r"\| To recover \| 2[01] min \|", paper)
    assert re.search(r"\| Watched before it was told as over \| (10|9) min \|", paper)
    assert "**Where:** Email through Resend" in paper


async def test_each_round_has_its_own_clocks(stage: Stage) -> None:
    """One that came back: who took it the first time is not forgotten."""
    async with stage.services.database.as_oncall() as connection:
        assert await acknowledge(connection, stage.incident, "Noor Haddad")
    single = await _page(stage, f"/incidents/{stage.incident}/post-mortem.md")
    assert "| To acknowledge |" in single
    assert "rounds" not in single
    async with stage.services.database.as_dispatcher() as connection:
        await note_recovery(connection, stage.incident, 5, None)
        row = await connection.fetchrow("select * from incident")
        names = NewIncident.__dataclass_fields__.keys() & dict(row)
        same: Any = {name: row[name] for name in names if name != "severity"}
        await open_incident(
            connection,
            stage.services.runbooks.escalation,
            NewIncident(**same, severity=Severity.CRITICAL),
        )
    paper = await _page(stage, f"/incidents/{stage.incident}/post-mortem.md")
    assert "| To acknowledge |" not in paper
    assert "2 rounds: each time it was nobody’s" in paper
    assert re.search(r"\| 1: opened \| [^|]+ \| [^|]+ by Noor Haddad \|", paper)
    assert re.search(r"\| 2: came back \| [^|]+ \| not yet \| – \| not yet \| – \|", paper)


def test_a_round_is_read_from_the_timeline() -> None:
    """From being nobody's to being over; one that somebody closed while it lasted was not over."""
    minute = [THREE + timedelta(minutes=n) for n in range(60)]
    story: list[dict[str, Any]] = [
        {"kind": kind, "at": minute[at], "data": data, "actor": actor}
        for kind, at, actor, data in (
            ("incident_opened", 1, "evaluator", {}),
            ("acknowledged", 4, "Noor", {}),
            ("incident_recovered", 20, "evaluator", {"over_since": minute[9].isoformat()}),
            ("incident_regressed", 30, "evaluator", {}),
            ("resolved", 32, "Ada", {}),
            ("incident_regressed", 33, "evaluator", {"case_before": "email.server_error"}),
        )
    ]
    incident = {
        "since": minute[0], "opened_at": minute[1], "over_since": None, "recovered_at": None,
        "resolved_at": None, "ack_due_at": minute[48],
    }  # fmt: skip
    found = rounds_of(incident, story)
    assert found == [
        Round("Opened", minute[1], minute[4], "Noor", minute[9]),
        Round("Came back", minute[30], closed_at=minute[32]),
        Round("Another cause", minute[33]),
    ]
    text = to_markdown(Document("T", "m", tuple(clocks(incident, found))))
    assert "| Acknowledgement due in the last round | 15 min |" in text
    assert "by Noor | 3 min | 2026-11-28 03:09:00 | 8 min |" in text
    assert "closed 2026-11-28 03:32:00, not over | 2 min |" in text


def test_who_took_it_while_a_table_was_locked_took_it_then() -> None:
    """And not when that could be written down."""
    incident = {"opened_at": THREE, "over_since": None}
    said = {"said_at": (THREE + timedelta(minutes=2)).isoformat()}
    story = [
        {"kind": "incident_opened", "at": THREE, "data": {}, "actor": "evaluator"},
        {"kind": "acknowledged", "at": THREE + timedelta(minutes=9), "data": said, "actor": "Noor"},
    ]
    [one] = rounds_of(incident, story)
    assert (one.taken_at, one.taken_by) == (THREE + timedelta(minutes=2), "Noor")
