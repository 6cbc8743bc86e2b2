"""The kinds of rule beside rates and streaks: what they read of the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from mentalspace.engine.alert_history import KEPT_DAYS, forget_changes, read_changes
from mentalspace.engine.incidents import resolve
from mentalspace.engine.metrics.gauges import read_gauges
from mentalspace.engine.rate_alerts import rate_text
from mentalspace.engine.runbook import (
    AlertKind,
    Op,
)
from mentalspace.engine.watch.state import State
from mentalspace.kernel.case import Match
from tests.engine.books import DELIVERED, LOW, Books
from tests.engine.rules import (
    ABSENT,
    ALWAYS,
    BURN,
    COST,
    FAILING,
    MINUTE,
    OPEN,
    SILENT,
    STANDS,
    WEEK,
    opened,
    rule,
    with_rules,
)
from tests.engine.toy import CASES


async def test_messages_that_still_wait_for_their_next_try_burn_the_budget(books: Books) -> None:
    """Three people's first tries failed: that is seen at once, and one that then went is none."""
    with_rules(books, BURN)
    await books.try_(["failed"], "p1")
    await books.try_(["failed", "succeeded"], "p2")
    await books.try_(["failed"], "p3")
    assert await books.tick() == 0
    await books.try_(["failed"], "p4")
    assert await books.tick(timedelta(seconds=16)) == 1
    [incident] = await books.admin.fetch("select fault, facts from incident")
    assert incident["fault"] == "theirs"
    assert "3 of 4 tried failed" in json.loads(incident["facts"])["seen"]


async def test_a_budget_that_burned_before_it_was_closed_is_no_news(books: Books) -> None:
    """What failed before somebody closed it stays in the window, and pages nobody anew; one failure
    afterwards does."""
    with_rules(books, BURN)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    await books.try_(["succeeded"], "p4")
    assert await books.tick() == 1
    id_ = await books.admin.fetchval("select id from incident")
    async with books.database.as_oncall() as connection:
        assert await resolve(connection, id_, "Noor")
    await books.tick(timedelta(seconds=61))
    status = "select status from incident where id = $1"
    assert await books.admin.fetchval(status, id_) == "resolved"
    await books.try_(["failed"], "p5")
    await books.tick(timedelta(seconds=16))
    assert await books.admin.fetchval("select count(*) from incident where status = 'open'") == 1


async def test_a_quiet_hour_is_missed_only_where_it_is_unusual(books: Books) -> None:
    """Ten at this hour in each of four weeks, and none today, in opening hours."""
    with_rules(books, ABSENT)
    await books.admin.execute("update practice set opening = $1", json.dumps([None] * 7))
    for week in range(1, 5):
        await books.write("delivered", 10, ago=week * WEEK + 20 * MINUTE)
    await books.tick()
    assert await books.state(ABSENT) == "no_data", "closed"
    await books.admin.execute("update practice set opening = $1", json.dumps(ALWAYS))
    assert await books.tick(MINUTE) == 1
    assert await opened(books) == ["toy.absence"]
    await books.write("delivered", 1, ago=timedelta(seconds=5))
    await books.tick(MINUTE)
    assert await books.state(ABSENT) == "recovering"


async def test_today_is_compared_with_the_same_day_of_earlier_weeks(books: Books) -> None:
    """Two hundred in ten minutes where ten are usual: two dollars, and ten cents."""
    with_rules(books, COST)
    await books.write("delivered", 200, ago=5 * MINUTE)
    await books.tick()
    assert await books.state(COST) == "no_data", "no week to compare with"
    for week in range(1, 4):
        await books.write("delivered", 10, ago=week * WEEK + 5 * MINUTE)
    assert await books.tick(MINUTE) == 1
    [facts] = await books.admin.fetch("select facts from incident")
    assert json.loads(facts["facts"])["currency"] == "USD"


async def test_what_waits_with_nothing_in_its_way_is_an_alarm(books: Books) -> None:
    """Due for half an hour, first pending; behind a lane that stands still it is not news."""
    with_rules(books, STANDS)
    await books.write("due", 1, ago=31 * MINUTE)
    assert await books.tick() == 0
    assert await books.state(STANDS) == "pending"
    assert await books.tick(3 * MINUTE) == 1
    await books.admin.execute("update lane set state = 'paused'")
    await books.tick(MINUTE)
    assert await books.state(STANDS) == "recovering"


async def test_a_breaker_open_for_ten_minutes_is_an_alarm(books: Books) -> None:
    """Unless somebody opened it by hand."""
    with_rules(books, OPEN)
    await books.admin.execute(
        "update credential_state set breaker = 'open', opened_at = app.now() - interval '9 min'"
    )
    assert await books.tick() == 0
    assert await books.tick(2 * MINUTE) == 1
    await books.admin.execute(
        "update credential_state set override_state = 'open', override_until = app.now()"
        " + interval '1 hour'"
    )
    await books.tick(MINUTE)
    assert await books.state(OPEN) == "no_data"


async def test_no_callbacks_where_there_were_some_is_an_alarm(books: Books) -> None:
    """Three taken over half an hour ago, after the last callback; who never called is no news."""
    with_rules(books, SILENT)
    await books.write("accepted", 3, ago=40 * MINUTE)
    await books.tick()
    assert await books.state(SILENT) == "no_data"
    await books.hear(ago=timedelta(hours=2))
    assert await books.tick(MINUTE) == 1
    await books.hear()
    await books.tick(MINUTE)
    assert await books.state(SILENT) == "recovering"


async def test_late_callbacks_are_an_alarm_of_theirs(books: Books) -> None:
    """By their own dates; but not what was to be told while nothing of ours was there, or while
    our own door refused it."""
    with_rules(books, SILENT)
    for _ in range(3):
        await books.hear()
    await books.admin.execute("update inbox set dated_at = received_at - interval '7 min'")
    await books.admin.execute(
        "insert into heartbeat (process, kind, host, pid) values ('w', 'worker', 'h', 1)"
    )
    await books.tick()
    assert await books.state(SILENT) == "normal"
    await books.admin.execute("update heartbeat set started_at = started_at - interval '1 h'")
    await books.admin.execute(
        "insert into hook_refusal select id, practice_id, 'signature', 3, app.now(), app.now()"
        " - interval '1 min' from credential"
    )
    await books.tick(MINUTE)
    assert await books.state(SILENT) == "normal"
    await books.admin.execute("delete from hook_refusal")
    assert await books.tick(MINUTE) == 1
    incident = await books.admin.fetchrow("select fault, facts ->> 'seen' as seen from incident")
    assert incident["fault"] == "theirs"
    assert incident["seen"].startswith("callbacks are late, not lost")


async def test_callbacks_that_are_refused_are_an_alarm_of_ours(books: Books) -> None:
    """Within minutes, and only where messages wait for word: anybody may write to the door."""
    with_rules(books, SILENT)
    await books.hear(ago=timedelta(hours=2))
    await books.admin.execute(
        "insert into hook_refusal select id, practice_id, 'signature', 3, app.now(), app.now()"
        " from credential"
    )
    await books.tick()
    assert await books.state(SILENT) == "normal"
    await books.write("accepted", 3, ago=2 * MINUTE)
    assert await books.tick(MINUTE) == 1
    incident = await books.admin.fetchrow("select fault, facts ->> 'seen' as seen from incident")
    assert incident["fault"] == "ours"
    assert "3 callbacks refused" in incident["seen"]
    await books.hear()
    await books.tick(MINUTE)
    assert await books.state(SILENT) == "recovering"


async def test_one_outage_is_one_page(books: Books) -> None:
    """What a rule that says more has an incident of is shown, and opens none of its own; but what
    is refused by our own mistake has one beside an older one of theirs."""
    covered = replace(BURN, covered_by=(FAILING.id,))
    with_rules(books, FAILING, covered)
    for person in ("p1", "p2", "p3", "p4"):
        await books.try_(["failed"], person)
    assert await books.tick() == 1
    assert await opened(books) == [FAILING.id]
    assert await books.state(covered) == "alerting"
    await books.admin.execute("update delivery set client_id = gen_random_uuid()")
    await books.admin.execute(
        "update delivery set client_id = $1 where recipient_key in ('p1', 'p2')", uuid4()
    )
    await books.tick(timedelta(seconds=16))
    seen = await books.admin.fetchval("select facts ->> 'seen' from incident")
    assert seen.endswith("to 3 people"), "two documents of one client are four places, three people"
    await books.write("refused", 3, ago=timedelta(0), case="toy.ours", fault="ours")
    await books.try_(["succeeded"], "p5")
    assert await books.tick(timedelta(seconds=16)) == 0, "most of what fails now is theirs"
    await books.write("refused", 2, ago=timedelta(0), case="toy.ours", fault="ours", person="p6")
    assert await books.tick(timedelta(seconds=16)) == 1
    assert await opened(books) == [FAILING.id, covered.id]
    await books.admin.execute("update incident set status = 'resolved'")
    with_rules(books, covered)
    assert await books.tick(timedelta(seconds=16)) == 1, "by itself it does"


async def test_what_came_late_from_one_that_is_out_is_that_ones(books: Books) -> None:
    """Messages that went over after a failure are late at whoever took them; that is no second
    incident, nor is it once the first is over, while they still count. By itself, it is one."""
    slow = replace(
        LOW, id="toy.slow", metric="toy.slow", op=Op.ABOVE, threshold=0.2,
        covered_by=(FAILING.id,), covered_across=True,
    )  # fmt: skip
    with_rules(books, FAILING, slow)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await books.tick() == 1
    second = await books.second()
    await second.write("accepted", 5, ago=timedelta(0), took=2 * MINUTE)
    await books.admin.execute(
        "insert into timeline (practice_id, lane_id, kind, data, actor) values ($1, $2, 'moved',"
        " jsonb_build_object('from_lane', $3::text), 'dispatcher')",
        books.practice_id,
        second.lane_id,
        str(books.lane_id),
    )
    assert await books.tick(timedelta(seconds=16)) == 0
    assert await second.state(slow) == "alerting"
    await books.admin.execute("update incident set status = 'resolved', resolved_at = app.now()")
    await books.admin.execute("update attempt set state = 'succeeded' where state = 'failed'")
    assert await books.tick(timedelta(seconds=16)) == 0
    assert await opened(books) == [FAILING.id]
    with_rules(books, FAILING, replace(slow, covered_across=False))
    assert await books.tick(timedelta(seconds=16)) == 1
    assert await opened(books) == [FAILING.id, slow.id]
    first, last, facts = await books.admin.fetchrow(
        "select min(due_at), max(due_at), (select facts from incident where rule_id = $2)"
        " from delivery where credential_id = $1",
        second.credential_id,
        slow.id,
    )
    when = f"; the late ones were due from {first:%H:%M} to {last:%H:%M} UTC"
    assert (rate_text(json.loads(facts)) or "").endswith(when)


async def test_one_cause_is_one_group_by_whichever_rule(books: Books) -> None:
    """Four in a row fail for one credential, three for the next: two rules tell of one outage, and
    one page goes out."""
    row, burn = replace(FAILING, threshold=4.0, cause="out"), replace(BURN, cause="out")
    with_rules(books, row, burn)
    second = await books.second()
    for number in range(4):
        await books.try_(["failed"], f"p{number}")
    assert await books.tick() == 2, "of one credential both, unless one covers the other"
    for number in range(3):
        await second.try_(["failed"], f"p{number}")
    assert await books.tick(timedelta(seconds=16)) == 1
    rows = await books.admin.fetch(
        "select rule_id, lead_id from incident order by opened_at, lead_id nulls first"
    )
    assert [(r["rule_id"], r["lead_id"] is None) for r in rows] == [
        (row.id, True), (burn.id, False), (burn.id, False),
    ]  # fmt: skip
    assert await books.admin.fetchval("select count(distinct incident_id) from page") == 1


async def test_each_change_of_state_is_kept_for_two_weeks(books: Books) -> None:
    """In order, each once however often it was looked at; what stands for longer stays known."""
    with_rules(books, STANDS)
    await books.tick()
    await books.write("due", 1, ago=31 * MINUTE)
    for after in (MINUTE, 3 * MINUTE, MINUTE):
        await books.tick(after)
    await books.admin.execute("update lane set state = 'paused'")
    await books.tick(MINUTE)

    async def told() -> list[State]:
        pair = (STANDS.id, books.credential_id)
        async with books.database.as_oncall() as connection:
            since = await connection.fetchval("select app.now() - interval '1 hour'")
            changes = await read_changes(connection, [pair], since)
        return [change.state for change in changes[pair]]

    assert await told() == [State.NORMAL, State.PENDING, State.ALERTING, State.RECOVERING]
    await books.advance(timedelta(days=KEPT_DAYS + 1))
    assert await told() == [State.RECOVERING]
    await forget_changes(books.database)
    assert await books.admin.fetchval("select count(*) from alert_change") == 1
    assert await told() == [State.RECOVERING]


async def test_a_drills_alarm_is_nobody_elses(books: Books) -> None:
    """What is exported counts no drill's credential, so that no drill wakes by Prometheus."""
    with_rules(books, FAILING)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    await books.tick()

    async def exported() -> float:
        async with books.database.as_dispatcher() as connection:
            samples = await read_gauges(connection)
        return sum(s.value for s in samples if s.name == "rule_states")

    assert await exported() == 1
    await books.admin.execute("update credential set drill = 'toy/x'")
    assert await exported() == 0


async def test_what_is_taken_and_not_brought_is_an_alarm_at_once(books: Books) -> None:
    """Three people in a row, before any rate may judge; not one person's three, not who has no
    mobile, and no more once a text arrives."""
    held_back = rule(AlertKind.UNDELIVERED, 3, window_s=86_400.0)
    with_rules(books, held_back)

    async def fails(person: str, case: str = "toy.busy") -> None:
        await books.write("failed", ago=MINUTE, case=case, person=person)
        await books.admin.execute(
            "update delivery set accepted_at = due_at where status = 'failed'"
        )

    for _ in range(3):
        await fails("p1")
    [recipients_own] = books.books.rooms[0].recipient_cases[:1]
    await fails("p2", recipients_own)
    await fails("p3", recipients_own)
    assert await books.tick() == 0
    await fails("p2")
    await fails("p3")
    assert await books.tick(timedelta(seconds=6)) == 1
    incident = await books.admin.fetchrow(
        "select case_id, facts ->> 'failed_recipients' as people from incident"
    )
    assert (incident["case_id"], incident["people"]) == ("toy.busy", "3")
    await books.write("delivered", ago=timedelta(0), arrived_after=timedelta(seconds=1))
    await books.tick(timedelta(seconds=6))
    assert await books.state(held_back) != "alerting"


async def test_what_our_own_rules_refuse_to_everybody_is_an_alarm(books: Books) -> None:
    """Three people in a row, though nothing was tried; not one person's three, not for a case that
    the rule does not name, and no more once a provider takes a message again."""
    left_on = rule(AlertKind.REFUSED, 3, window_s=86_400.0, cases=("toy.busy",))
    with_rules(books, left_on)
    for person in ("p1", "p1", "p1"):
        await books.write("refused", ago=MINUTE, case="toy.busy", person=person)
    for person in ("p2", "p3"):
        await books.write("refused", ago=MINUTE, case="toy.not_one_of_its", person=person)
    await books.admin.execute("update delivery set accepted_at = null")
    assert await books.tick() == 0
    for person in ("p2", "p3"):
        await books.write("refused", ago=MINUTE, case="toy.busy", person=person)
    await books.admin.execute("update delivery set accepted_at = null")
    assert await books.tick(timedelta(seconds=6)) == 1
    incident = await books.admin.fetchrow(
        "select fault, case_id, facts ->> 'failed_recipients' as people from incident"
    )
    assert tuple(incident) == ("ours", "toy.busy", "3")
    await books.try_(["succeeded"], "p4")
    await books.tick(timedelta(seconds=6))
    assert await books.state(left_on) != "alerting"


async def test_a_share_of_what_our_own_rules_refuse_is_ours(books: Books) -> None:
    """Nothing was tried that could say so; what a provider failed more often is still theirs."""
    with_rules(books, LOW)
    await books.write("refused", 8, ago=MINUTE, case="toy.ours")
    await books.admin.execute("delete from attempt_delivery")
    await books.admin.execute("delete from attempt")
    await books.admin.execute("update delivery set ended_at = ended_at - interval '20 min'")
    assert await books.tick() == 1
    told = await books.admin.fetchrow("select fault, case_id from incident")
    assert tuple(told) == ("ours", "toy.ours")
    await books.admin.execute("update incident set status = 'resolved', drill = 'old'")
    await books.write("refused", 9, ago=timedelta(minutes=21), case="toy.busy", fault="theirs")
    assert await books.tick(timedelta(seconds=6)) == 1
    told = await books.admin.fetchrow("select fault, case_id from incident where drill is null")
    assert tuple(told) == ("theirs", "toy.busy")


@pytest.mark.parametrize("by_hand", [True, False])
async def test_who_switched_test_mode_on_is_a_fact_of_what_it_refuses(
    books: Books, by_hand: bool
) -> None:
    """By the switch, or as it was stored; another provider's switch, and one that was switched off
    since, say nothing of it."""
    tests = replace(CASES[0], id="toy.test_mode", match=(Match(code=frozenset({"test_mode"})),))
    with_rules(books, rule(AlertKind.REFUSED, 3, window_s=86_400.0, cases=(tests.id,)))
    [room] = books.books.rooms
    books.books = replace(books.books, rooms=(replace(room, cases=(*CASES, tests)),))
    await books.admin.execute("update credential set test_only = true")
    old = [("test_mode_begun", "toy acme"), ("test_mode_ended", "toy acme")]
    begun = [("test_mode_begun", "toy acme")] if by_hand else []
    for action, what in (*old, ("test_mode_begun", "toy relay"), *begun, ("credential_set", "x")):
        await books.admin.execute(
            "insert into audit (practice_id, actor, action, subject, data) values ($1, $2, $3,"
            " case when $3 = 'credential_set' then $4 end, jsonb_build_object('what', $5::text))",
            books.practice_id, f"by {action}", action, str(books.credential_id), what,
        )  # fmt: skip
    for person in ("p1", "p2", "p3"):
        await books.write("refused", ago=timedelta(0), case=tests.id, person=person)
    await books.admin.execute("update delivery set accepted_at = null")
    assert await books.tick(timedelta(seconds=6)) == 1
    facts = json.loads(await books.admin.fetchval("select facts from incident"))
    by = "by test_mode_begun" if by_hand else "by credential_set"
    assert (facts["test_mode"]["by"], facts["test_mode"]["by_hand"]) == (by, by_hand)
    assert facts["first_step"].endswith("nothing goes to whoever was refused")


async def test_what_others_arrivals_do_not_mend_is_told_until_a_person_closes_it(
    books: Books,
) -> None:
    """One that was harmed after it was taken is an alarm, though more arrive right after it; once
    a person closed its incident only another one opens the next."""
    harmed = rule(AlertKind.UNDELIVERED, 1, window_s=86_400.0, despite_arrivals=True)
    with_rules(books, harmed)

    async def fails(person: str) -> None:
        await books.write("failed", ago=MINUTE, case="toy.busy", person=person)
        await books.admin.execute(
            "update delivery set accepted_at = due_at where status = 'failed'"
        )

    await fails("p1")
    await books.write("delivered", ago=timedelta(0), arrived_after=timedelta(seconds=1))
    assert await books.tick(timedelta(seconds=6)) == 1
    await books.admin.execute("update incident set status = 'resolved', resolved_at = app.now()")
    assert await books.tick(timedelta(seconds=6)) == 0
    assert await books.state(harmed) == "normal"
    await books.advance(2 * MINUTE)
    await fails("p2")
    assert await books.tick(timedelta(seconds=6)) == 1
    assert (
        await books.admin.fetchval(
            "select facts ->> 'failed_deliveries' from incident where status <> 'resolved'"
        )
        == "1"
    )


async def test_who_waits_is_touched_though_another_of_theirs_rests(books: Books) -> None:
    """Behind an open breaker somebody has a message for the morning and one that is late."""
    with_rules(books, FAILING)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    await books.write("due", 2, person="p9")
    await books.write("due", 1, person="p10")
    await books.admin.execute("update credential_state set breaker = 'open'")
    await books.admin.execute(
        "update delivery set hours = $1::jsonb where id in (select min(id::text)::uuid"
        " from delivery where recipient_key in ('p9', 'p10') group by recipient_key)",
        json.dumps({"zones": ["UTC"], "week": [None] * 7}),
    )
    assert await books.tick() == 1
    people = "select facts ->> 'failed_recipients' from incident"
    assert await books.admin.fetchval(people) == "4", "p10 rests, p9 waits"


async def test_a_figure_of_a_practice_without_a_credential_is_told_all_the_same(
    books: Books,
) -> None:
    """By the first credential of the room, without that practice's name: its disk is full too."""
    full = replace(DELIVERED, id="toy.full", measure=None, gauge=True, op=Op.BELOW, target=0.8)
    fills = replace(
        LOW, id="toy.fills", kind=AlertKind.GAUGE, metric=full.id, op=Op.ABOVE, threshold=0.9
    )
    overview = replace(books.overview, metrics=(full,), alerts=(fills,))
    books.books = replace(books.books, rooms=(replace(books.books.rooms[0], overview=overview),))
    other = await books.admin.fetchval(
        "insert into practice (slug, name, timezone) values ('bare', 'Bare Practice', 'UTC')"
        " returning id"
    )
    await books.admin.execute(
        "insert into room_gauge (practice_id, integration, metric, subject, value, n, seen)"
        " values ($1, 'toy', 'toy.full', 'disk', 0.95, 100, '95% of it')",
        other,
    )
    assert await books.tick() == 1
    facts = await books.admin.fetchval("select facts ->> 'seen' from incident")
    assert facts == f"disk of practice {str(other)[:8]}: 95% of it"


async def test_what_our_own_check_finds_alerts_until_it_answers_again(books: Books) -> None:
    """No message met it: a rule on the case fires all the same, and is over by our next check."""
    refused = replace(rule(AlertKind.CASE, 1, cases=("toy.key",)), resolves_after=1, hold_s=0)
    with_rules(books, refused)
    answer = """
    insert into credential_check (credential_id, practice_id, answered_at, good, since, case_id,
                                  fault, said)
    values ($1, $2, app.now(), $3, app.now(), 'toy.key', 'ours', 'Acme answered 401')
    on conflict (credential_id) do update set good = excluded.good, answered_at = app.now()
    """
    about = (books.credential_id, books.practice_id)
    await books.admin.execute(answer, *about, False)
    assert await books.tick() == 1
    [incident] = await books.admin.fetch("select fault, facts ->> 'seen' as seen from incident")
    assert incident["fault"] == "ours"
    assert incident["seen"].startswith("Acme answered 401; found by our own check at ")
    await books.tick(timedelta(seconds=6))
    assert await books.admin.fetchval("select recovered_at from incident") is None
    await books.advance(timedelta(seconds=6))
    await books.admin.execute(answer, *about, True)
    await books.tick()
    assert await books.admin.fetchval("select recovered_at from incident") is not None
