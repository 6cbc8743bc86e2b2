"""The campaign of `make month` judges as the evaluator does, which is shown on one hard day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

from benchmarks.month import RULES, Log, Replay, Send, day, naive_pages, replay
from mentalspace.engine.runbook import Overview, load_runbooks
from mentalspace.integrations import discover_rooms
from tests.engine.books import Books

# Days of which a rule that looked at every send would tell otherwise.
SEEDS = (7, 9, 21, 22, 27)


def _email() -> Overview:
    overview = load_runbooks(list(discover_rooms().values()), None).room("email").overview
    return replace(overview, alerts=tuple(r for r in overview.alerts if r.id in RULES))


def _hard_day() -> list[Send]:
    """Well, then an outage, then well, then one in three failing; and a busy hour in which six
    fail in a row and burn no budget."""
    random, at, sends = Random(11), 0.0, []
    slow, busy = (25, 150), (2, 18)
    for count, fails, (least, more) in (
        (25, 0.02, slow), (12, 1.0, slow), (35, 0.0, slow), (30, 0.35, slow),
        (35, 0.0, slow), (90, 0.0, busy), (6, 1.0, busy), (5, 0.0, busy),
    ):  # fmt: skip
        for _ in range(count):
            at += least + round(random.expovariate(1 / more))
            sends.append(Send(at, random.random() >= fails))
    return sends


def _made_up_day(seed: int, times: Sequence[float]) -> list[Send]:
    """Spells of about fifteen messages, each well or ill by chance."""
    random, fails, sends = Random(seed), 0.02, []
    for at in times:
        if random.random() < 1 / 15:
            fails = random.choice((0.0, 0.02, 0.1, 0.35, 1.0))
        sends.append(Send(at, random.random() >= fails))
    return sends


async def test_the_database_and_the_campaign_page_at_the_same_moments(books: Books) -> None:
    """Send by send on a clock that moves by hand, at several credentials at once: the same rules
    open and reopen at the same sends, also those that do not look at each."""
    overview = replace(_email(), room="toy")
    books.books = replace(books.books, rooms=(replace(books.books.rooms[0], overview=overview),))
    await books.stand_still()
    hard = _hard_day()
    times = [send.at for send in hard]
    days = {books.credential_id: (books, Replay(overview, Log(hard)))}
    for seed in SEEDS:
        other = await books.second(f"day-{seed}", f"provider-{seed}")
        sends = _made_up_day(seed, times)
        days[other.credential_id] = (other, Replay(overview, Log(sends)))
    told: list[tuple[UUID, str, int]] = []
    expected: list[tuple[UUID, str, int]] = []
    clock = 0.0
    for number, at in enumerate(times):
        await books.advance(timedelta(seconds=at - clock))
        clock = at
        await books.try_each([(each, run.log.sends[number].good) for each, run in days.values()])
        await books.tick()
        told += [(whose, rule, number) for whose, rule in await books.paged(len(told))]
        for whose, (_each, run) in days.items():
            known = len(run.pages)
            run.look(at)
            expected += [(whose, rule, number) for rule, _at in run.pages[known:]]
    assert sorted(told) == sorted(expected)
    hard_rules = {rule for whose, rule, _number in told if whose == books.credential_id}
    assert hard_rules == set(RULES), "each of them had something to say"


def test_healthy_weeks_are_quiet_and_an_outage_is_not() -> None:
    """What the campaign measures at length, in small: a bare line pages every other day."""
    overview, random = _email(), Random(5)
    sends = [send for number in range(10) for send in day(random, number)]
    assert len(naive_pages(sends)) > 10
    assert len(replay(overview, sends).pages) <= 1
    ill = [*day(random, 0), *day(random, 1, ill_from=86_400 + 7200, ill=1.0)]
    first = min(at for _rule, at in replay(overview, ill).pages if at > 86_400 + 7200)
    assert first - 86_400 - 7200 < 20 * 60
