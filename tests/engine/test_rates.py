"""Metrics counted from the ledger, and the rules that watch them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mentalspace.engine.chance import is_unlikely, tail
from mentalspace.engine.incidents import resolve
from mentalspace.engine.rates import DAY_S, HOUR_S, Reading
from mentalspace.engine.runbook import Metric
from mentalspace.engine.watch.rate import fires
from mentalspace.engine.watch.state import Past, State, next_state
from tests.engine.books import BOUNCED, BOUNCES, DELIVERED, LEAVING, LOW, Books

# Chance -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "fewest"), [(4, 3), (8, 3), (12, 4), (20, 4), (40, 6), (100, 8), (200, 12)]
)
def test_how_many_failures_are_more_than_chance(n: int, fewest: int) -> None:
    """At 2% healthy failures, this many of n are the first that a thousandth cannot explain."""
    assert is_unlikely(fewest, n, 0.02)
    assert not is_unlikely(fewest - 1, n, 0.02)


def test_the_tail_is_the_binomials() -> None:
    """Small cases by hand, the whole sum, and large ones without overflow."""
    assert tail(0, 10, 0.3) == 1.0
    assert tail(11, 10, 0.3) == 0.0
    assert tail(2, 2, 0.5) == pytest.approx(0.25)
    assert tail(1, 3, 0.5) == pytest.approx(0.875)
    assert tail(1, 200, 0.02) == pytest.approx(1 - 0.98**200)
    assert tail(20_000, 1_000_000, 0.02) == pytest.approx(0.5, abs=0.01)
    assert tail(30_000, 1_000_000, 0.02) < 1e-100


# Counting -----------------------------------------------------------------------------------


async def test_a_recipients_fault_is_not_the_providers(books: Books) -> None:
    """Bounces and wrong addresses leave the delivery rate alone and are counted apart; what
    we or the provider failed counts, and so does what expired."""
    await books.write("delivered", 6)
    await books.write("bounced", 2, event="toy.bounced")
    await books.write("refused", 1, case="toy.no_such_person", fault="recipient")
    await books.write("refused", 1, case="toy.ours", fault="ours")
    await books.write("expired", 1, case="toy.busy", fault="theirs")
    await books.write("cancelled", 3)
    assert await books.text("toy.delivered") == "6 of 8"
    assert await books.text("toy.bounced") == "2 of 8"
    counts = (await books.read()).counts[books.credential_id, HOUR_S]
    assert (counts.recipient, counts.failed) == (3, 2)


async def test_what_was_just_taken_is_not_judged(books: Books) -> None:
    """A quarter of an hour passes before a message counts; until then it is called young."""
    await books.write("delivered", 3)
    await books.write("accepted", 4, ago=timedelta(minutes=2))
    assert await books.text("toy.delivered") == "3 of 3"
    counts = (await books.read()).counts[books.credential_id, HOUR_S]
    assert (counts.accepted, counts.sent, counts.young, counts.silent) == (7, 3, 4, 0)
    await books.tick(timedelta(minutes=15))
    counts = (await books.read()).counts[books.credential_id, HOUR_S]
    assert (counts.sent, counts.young, counts.silent) == (7, 0, 4)


async def test_what_is_never_told_is_not_judged(books: Books) -> None:
    """A relay says no more than that it took a mail: no rate of arrivals or bounces is made up."""
    await books.admin.execute("update credential set follows = false")
    await books.write("accepted", 30)
    assert await books.text("toy.delivered") == "no data"
    assert await books.text("toy.bounced") == "no data"
    counts = (await books.read()).counts[books.credential_id, HOUR_S]
    assert (counts.accepted, counts.sent, counts.young, counts.silent) == (30, 0, 0, 0)


async def test_windows_and_the_whole(books: Books) -> None:
    """The last hour is not the last day; all credentials as one are under None; a share needs
    twenty before it is a percentage, rounded to its bad side."""
    await books.write("delivered", 2)
    await books.write("delivered", 28, ago=timedelta(hours=3))
    await books.write("failed", 1, ago=timedelta(hours=3))
    assert await books.text("toy.delivered") == "2 of 2"
    assert await books.text("toy.delivered", DAY_S) == "96.77% of 31"
    reading = (await books.read(pooled=True)).reading("toy.delivered", None, DAY_S)
    assert (reading.n, reading.on_target) == (31, False)


async def test_times_have_an_average_and_a_spread(books: Books) -> None:
    """From due to taken: the average is what the target is for, beside the slow end; what was
    never taken has no time."""
    await books.write("refused", 2, case="toy.ours", fault="ours")
    await books.write("delivered", 19, took=timedelta(seconds=1))
    await books.write("accepted", 1, took=timedelta(seconds=41))
    reading = (await books.read()).reading("toy.send_time", books.credential_id, HOUR_S)
    assert reading.value == pytest.approx(3.0)
    assert reading.times is not None
    assert (reading.times.prompt, reading.times.n) == (19, 20)
    assert reading.times.p50 == pytest.approx(1.0)
    assert reading.on_target


async def test_uptime_counts_only_the_providers_failures(books: Books) -> None:
    """A request refused for our own mistake was answered."""
    await books.write("delivered", 2)
    await books.write("refused", 1, case="toy.ours", fault="ours")
    await books.write("expired", 1, case="toy.busy", fault="theirs")
    assert await books.text("toy.up") == "3 of 4"


async def test_drills_are_kept_out(books: Books) -> None:
    """A drill's traffic is in no credential's rate but its own, where nothing is too young."""
    await books.write("delivered", 2)
    await books.write("refused", 5, case="toy.ours", fault="ours", drill="d-1")
    assert await books.text("toy.delivered") == "2 of 2"
    await books.admin.execute("update credential set drill = 'd-1'")
    assert await books.text("toy.delivered") == "0 of 5"


# Rules --------------------------------------------------------------------------------------


def reading(good: int, n: int, metric: Metric = DELIVERED) -> Reading:
    return Reading(metric, HOUR_S, good, n, good / n if n else None)


@pytest.mark.parametrize(
    ("good", "n", "fired"),
    [
        (0, 0, False),
        (0, 1, False),  # one of one failed: chance
        (1, 4, True),
        (17, 20, False),  # under the line, and still chance
        (16, 20, True),
        (960, 1000, False),  # surely ill, and over the line: no page
    ],
)
def test_a_rule_fires_beyond_its_line_and_beyond_chance(good: int, n: int, fired: bool) -> None:
    """Both must hold."""
    assert fires(LOW, reading(good, n)) is fired


def test_a_bad_share_is_counted_on_its_own_side() -> None:
    """A rate that should be small fires when it is large."""
    assert fires(BOUNCES, reading(3, 8, BOUNCED))
    assert not fires(BOUNCES, reading(2, 8, BOUNCED))


@pytest.mark.parametrize(
    ("good", "n", "past", "becomes"),
    [
        (20, 20, Past(None, 0, False, 0), State.NORMAL),
        (10, 20, Past(State.NORMAL, 0, False, 0), State.ALERTING),
        (0, 0, Past(State.ALERTING, 900, True, 0), State.NO_DATA),
        (20, 20, Past(State.NO_DATA, 900, True, 9), State.RECOVERING),
        (20, 20, Past(State.ALERTING, 900, True, 9), State.RECOVERING),
        (20, 20, Past(State.RECOVERING, 599, True, 9), State.RECOVERING),
        (20, 20, Past(State.RECOVERING, 600, True, 1), State.RECOVERING),
        (20, 20, Past(State.RECOVERING, 600, True, 2), State.NORMAL),
        (10, 20, Past(State.RECOVERING, 600, True, 2), State.ALERTING),
    ],
)
def test_the_states_of_a_rule(good: int, n: int, past: Past, becomes: State) -> None:
    """Silence is never recovery; recovery takes its hold and its successes."""
    seen = reading(good, n)
    judged = seen.value is not None
    assert next_state(LOW, judged=judged, fires=fires(LOW, seen), past=past) is becomes


async def test_a_low_rate_opens_an_incident_that_says_how_low(books: Books) -> None:
    """Ours by the failed attempts' own case; it recovers after hold and successes, not before,
    and not while nothing is sent."""
    await books.write("delivered", 4)
    await books.write("refused", 4, case="toy.ours", fault="ours")
    assert await books.tick() == 1
    [incident] = await books.admin.fetch("select * from incident")
    assert (incident["rule_id"], incident["fault"]) == (LOW.id, "ours")
    assert incident["case_id"] == "toy.ours"
    facts = json.loads(incident["facts"])
    assert (facts["bad"], facts["n"], facts["metric"]) == (4, 8, "Delivered")
    assert await books.state(LOW) == "alerting"
    assert await books.state(BOUNCES) == "normal"

    assert await books.tick(timedelta(hours=1)) == 0
    assert await books.state(LOW) == "no_data"
    assert await _recovered(books) is None
    await books.write("delivered", 1)
    await books.tick(timedelta(seconds=30))
    assert await books.state(LOW) == "recovering"
    await books.tick(timedelta(minutes=11))
    assert await books.state(LOW) == "recovering", "one success since it last held"
    await books.write("delivered", 2, ago=timedelta(seconds=1))
    await books.tick(timedelta(seconds=30))
    assert await books.state(LOW) == "normal"
    assert await _recovered(books) is not None


async def test_bounces_open_an_incident_of_the_addresses(books: Books) -> None:
    """The rule itself says whose it is: no attempt of ours failed."""
    await books.write("delivered", 3)
    await books.write("bounced", 3, event="toy.bounced")
    assert await books.tick() == 1
    [incident] = await books.admin.fetch("select rule_id, fault, case_id from incident")
    assert dict(incident) == {"rule_id": BOUNCES.id, "fault": "recipient", "case_id": None}


async def _recovered(books: Books) -> datetime | None:
    at: datetime | None = await books.admin.fetchval("select recovered_at from incident")
    return at


async def test_failures_are_counted_by_the_providers_codes(books: Books) -> None:
    """Whoever's fault they are: by what was said later, else at once, else by our case."""
    await books.write("delivered", 3)
    await books.write("bounced", 2, event="toy.failed", code="30005", case="toy.gone")
    await books.write("failed", event="toy.failed", code="30007", case="toy.down")
    await books.write("refused", case="toy.down")
    reading = (await books.read()).reading("toy.failed", books.credential_id, HOUR_S)
    assert reading.text == "4 of 7"
    assert reading.codes == {"30005": 2, "30007": 1, "toy.down": 1}
    assert reading.codes_text == "30005 2, 30007 1, toy.down 1"


async def test_what_arrives_late_is_a_share(books: Books) -> None:
    """Late is what took longer than the metric says from accepted to delivered."""
    for took_s, count in ((2, 5), (29, 2), (31, 2), (90, 1)):
        await books.write("delivered", count, arrived_after=timedelta(seconds=took_s))
    await books.write("accepted", 4)
    assert await books.text("toy.late") == "3 of 10"


async def test_opt_outs_are_people_of_people_and_open_an_incident(books: Books) -> None:
    """Ten texts to one person are one; another reason is none; the rule sees it as the worker's
    evaluator does."""
    for n in range(10):
        await books.write("delivered", 2, person=f"p{n}")
    await books.leave("p1", "landline")
    await books.leave("p2")
    assert await books.text("toy.left") == "1 of 10"
    assert await books.tick() == 0, "one of ten may be chance"
    await books.leave("p3")
    await books.leave("p4")
    assert await books.text("toy.left") == "3 of 10"
    assert await books.tick(timedelta(minutes=6)) == 1
    assert await books.admin.fetchval("select rule_id from incident") == "toy.leaving"


async def test_what_a_person_closed_comes_back_by_something_new_alone(books: Books) -> None:
    """The window still holds those who left before: nobody is paged of them anew, and whoever looks
    is told; one who leaves afterwards opens it again."""
    for n in range(10):
        await books.write("delivered", person=f"p{n}")
    for n in range(3):
        await books.leave(f"p{n}")
    assert await books.tick() == 1
    incident = await books.admin.fetchval("select id from incident")
    async with books.database.as_oncall() as connection:
        assert await resolve(connection, incident, "Noor")
    await books.tick(timedelta(minutes=6))
    assert await books.admin.fetchval("select status from incident") == "resolved"
    told = await books.admin.fetchval("select detail ->> 'seen' from alert_state where key like $1",
                                      f"{LEAVING.id}:%")  # fmt: skip
    assert told == "3 of 10; nothing new since it was closed"
    await books.leave("p4")
    await books.tick(timedelta(minutes=6))
    assert await books.admin.fetch("select id, status from incident") == [(incident, "open")]


async def test_what_was_slow_before_it_was_closed_is_no_news(books: Books) -> None:
    """How long a message took is known as soon as it is taken: those of just before the closing
    open nothing again, and slow ones after it do."""
    dawdles = replace(
        LEAVING, id="toy.dawdles", metric="toy.slow", threshold=0.2, fault=None, pending_s=0.0
    )
    overview = replace(books.overview, alerts=(dawdles,))
    books.books = replace(books.books, rooms=(replace(books.books.rooms[0], overview=overview),))
    await books.write("delivered", 10, ago=timedelta(minutes=30))
    await books.write("delivered", 6, ago=timedelta(minutes=3), took=timedelta(seconds=9))
    assert await books.tick() == 1
    incident = await books.admin.fetchval("select id from incident")
    async with books.database.as_oncall() as connection:
        assert await resolve(connection, incident, "Noor")
    await books.tick(timedelta(minutes=1))
    assert await books.admin.fetchval("select status from incident") == "resolved"
    slow = timedelta(seconds=9)
    await books.write("delivered", 3, ago=timedelta(seconds=20), took=slow)
    await books.tick(timedelta(minutes=1))
    assert await books.admin.fetchval("select status from incident") == "open"


async def test_a_share_beyond_its_line_is_one_incident_until_it_is_back(books: Books) -> None:
    """Beyond its line and no more beyond chance, it is not over; on the good side of its line it
    is; and what goes beyond again after a person resolved it is the same incident, come back."""
    for n in range(10):
        await books.write("delivered", person=f"p{n}")
    for n in range(3):
        await books.leave(f"p{n}")
    assert await books.tick() == 1
    for n in range(10, 40):
        await books.write("delivered", person=f"p{n}")
    await books.tick(timedelta(minutes=1))
    await books.tick(timedelta(minutes=11))
    assert (await books.text("toy.left"), await books.state(LEAVING)) == (
        "7.5% of 40",
        "recovering",
    )
    assert await _recovered(books) is None
    for n in range(40, 70):
        await books.write("delivered", person=f"p{n}", ago=timedelta(seconds=5))
    await books.tick(timedelta(minutes=20))
    assert await books.state(LEAVING) == "normal"
    assert await _recovered(books) is not None
    async with books.database.as_oncall() as connection:
        incident = await connection.fetchval("select id from incident")
        assert await resolve(connection, incident, "Noor")
    for n in range(3, 10):
        await books.leave(f"p{n}")
    assert await books.tick(timedelta(minutes=1)) == 0
    [again] = await books.admin.fetch("select id, status, recovered_at from incident")
    assert (again["id"], again["status"], again["recovered_at"]) == (incident, "open", None)
    assert await books.admin.fetchval(
        "select count(*) from timeline where kind = 'incident_regressed'"
    )
