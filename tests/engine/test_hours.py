"""A delivery leaves within its hours, at every try and through every change of clocks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from mentalspace.engine.hours import Hours, Window, next_opening
from mentalspace.kernel.case import Disposition, Match, Step
from tests.engine.toy import CASES, Bench, Reply, case

ZONES = ("America/Los_Angeles", "America/Phoenix", "America/New_York", "Europe/Madrid")
PLAIN: tuple[Window, ...] = ((480, 1260),) * 7
STRICT: tuple[Window, ...] = (*((540, 1200),) * 5, (600, 720), None)
MINUTE = timedelta(minutes=1)


def _is_open(hours: Hours, at: datetime) -> bool:
    """What a person with a clock of each zone would say."""
    for zone in hours.zones:
        local = at.astimezone(ZoneInfo(zone))
        window = hours.week[local.weekday()]
        if window is None or not window[0] <= local.hour * 60 + local.minute < window[1]:
            return False
    return True


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("week", [PLAIN, STRICT])
def test_the_next_opening_is_the_first_open_minute_of_the_year(
    zone: str, week: tuple[Window, ...]
) -> None:
    """For every quarter of an hour of a year, it is what going minute by minute finds."""
    hours = Hours((zone,), week)
    at = datetime(2027, 1, 10, tzinfo=UTC)
    first, minute = [], at
    for _ in range(372 * 1440):
        first.append(_is_open(hours, minute))
        minute += MINUTE
    opening, upcoming = [0] * len(first), len(first)
    for place in range(len(first) - 1, -1, -1):
        upcoming = place if first[place] else upcoming
        opening[place] = upcoming
    for place in range(0, 365 * 1440, 15):
        asked = at + place * MINUTE
        assert next_opening(hours, asked) == at + opening[place] * MINUTE


def test_of_several_zones_all_must_be_open() -> None:
    """A number whose area keeps two clocks is texted when both say that it is day."""
    hours = Hours(("America/New_York", "America/Los_Angeles"), PLAIN)
    random = Random(4)
    for _ in range(50):
        asked = datetime(2027, 3, 10, tzinfo=UTC) + random.randrange(10 * 1440) * MINUTE
        found = asked
        while not _is_open(hours, found):
            found += MINUTE
        assert next_opening(hours, asked) == found


def test_hours_survive_their_frozen_form_and_nonsense_is_none() -> None:
    """What was frozen is read back the same; a week that never opens is refused."""
    hours = Hours(("America/Chicago",), STRICT)
    assert Hours.from_json(hours.to_json()) == hours
    for week in ((None,) * 7, PLAIN[:6], ((600, 600), *PLAIN[1:])):
        with pytest.raises(ValueError, match=r"day|window"):
            Hours(("UTC",), week)


async def test_the_database_tells_the_same_hours(admin: asyncpg.Connection[Any]) -> None:
    """Whoever counts what rests asks SQL, and a lane asks Python: they say the same to the minute,
    on the edges of windows and in the nights when clocks change."""
    random = Random(38)
    changes = (datetime(2027, 3, 14, tzinfo=UTC), datetime(2027, 11, 7, tzinfo=UTC))
    asked, said = [], []
    for week in (PLAIN, STRICT):
        for zones in (ZONES[:1], ZONES[1:2], ZONES[:3], ZONES[3:]):
            hours = Hours(zones, week)
            for start in (*changes, datetime(2027, 6, 1, tzinfo=UTC)):
                for _ in range(40):
                    at = start + random.randrange(96) * 15 * MINUTE
                    at -= random.choice((0, 1)) * timedelta(seconds=1)
                    asked.append((json.dumps(hours.to_json()), at))
                    said.append(next_opening(hours, at) == at)
    rows = await admin.fetch(
        "select app.is_open(hours::jsonb, at) as open from unnest($1::text[], $2::timestamptz[])"
        " with ordinality as asked (hours, at, place) order by place",
        [hours for hours, _ in asked],
        [at for _, at in asked],
    )
    assert [row["open"] for row in rows] == said
    assert 200 < sum(said) < len(said) - 200
    assert await admin.fetchval("select app.is_open(null, app.now())")


async def test_a_retry_that_drifts_into_the_night_waits_for_the_morning(bench: Bench) -> None:
    """Its first try is in its hours, the next would not be: it leaves when they begin again."""
    hours, now = await _hours(bench, opens_in_min=-60, closes_in_min=5)
    bench.server.script.append(Reply(http=429, headers={"Retry-After": "600"}))
    delivery = await bench.deliver(hours=hours)
    await bench.turn()
    await bench.advance(timedelta(minutes=20))
    await bench.dispatch()
    await bench.turn()
    row = await bench.row(delivery)
    assert (row["status"], row["starts"], len(bench.server.sends())) == ("pending", 0, 1)
    assert row["next_attempt_at"] == now + timedelta(hours=23)
    assert (await bench.kinds(delivery))[-1] == "held_for_hours"
    await bench.advance(timedelta(hours=22, minutes=41))
    await bench.dispatch()
    await bench.turn()
    assert await bench.status(delivery) == "accepted"


async def test_what_is_useless_by_the_morning_is_refused_at_once(bench: Bench) -> None:
    """While there is time to tell the client otherwise, the case for it runs its steps."""
    steps = (Step("note", {"text": "by mail instead"}),)
    match = Match(code=frozenset({"out_of_hours"}))
    late = case("out_of_hours", match, Disposition.REFUSE, steps=steps)
    bench.cases = (*CASES, late)
    hours, _ = await _hours(bench, opens_in_min=120, closes_in_min=180)
    late_one = await bench.deliver(hours=hours, expires_in=timedelta(minutes=100))
    useful = await bench.deliver(hours=hours, expires_in=timedelta(minutes=140))
    await bench.turn()
    assert await bench.status(late_one) == "refused"
    assert (await bench.kinds(late_one))[-2:] == ["refused", "note"]
    assert await bench.status(useful) == "pending"
    assert bench.server.requests == []


async def test_what_surely_did_not_arrive_goes_again_only_within_its_hours(bench: Bench) -> None:
    """Asking is allowed at night; sending waits, or is refused where it would be of no use."""
    late = case("out_of_hours", Match(code=frozenset({"out_of_hours"})), Disposition.REFUSE)
    bench.cases = (*CASES, late)
    hours, _ = await _hours(bench, opens_in_min=-60, closes_in_min=5)
    bench.server.script += [Reply(accept=False, lost=True)] * 2
    useful = await bench.deliver(hours=hours)
    useless = await bench.deliver(hours=hours, expires_in=timedelta(hours=2))
    await bench.turn()
    assert {await bench.status(useful), await bench.status(useless)} == {"unknown"}
    await bench.advance(timedelta(minutes=20))
    await bench.turn()
    assert (await bench.status(useful), await bench.status(useless)) == ("pending", "refused")
    assert [request.method for request in bench.server.requests] == ["POST"] * 2 + ["GET"] * 2
    await bench.advance(timedelta(hours=23))
    await bench.dispatch()
    await bench.turn()
    assert await bench.status(useful) == "accepted"
    assert len(bench.server.sends()) == 3


async def _hours(bench: Bench, *, opens_in_min: int, closes_in_min: int) -> tuple[Hours, datetime]:
    """Daily hours around the bench's noon; that noon."""
    now: datetime = await bench.admin.fetchval("select app.now()")
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await bench.advance(noon - now)
    window = (720 + opens_in_min, 720 + closes_in_min)
    return Hours(("UTC",), (window,) * 7), noon
