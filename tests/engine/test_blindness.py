"""Rules that cannot be judged: one has its own incident, several at once have one of the house."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.blindness import BLIND_FOR_S, RULE
from mentalspace.engine.db import Connection
from mentalspace.engine.incidents import resolve
from mentalspace.engine.runbook import AlertKind, AlertRule, RoomRunbook
from mentalspace.engine.watch.kinds import WATCHES
from mentalspace.engine.watch.look import Look, Subject
from mentalspace.kernel.case import Severity
from tests.engine.books import Books
from tests.engine.rules import ABSENT, MINUTE, OPEN, STANDS, rule, with_rules

A_WHILE = timedelta(seconds=BLIND_FOR_S + 1)
PAUSED = rule(AlertKind.PAUSED, 600)


async def _divides(
    _connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    raise ZeroDivisionError


async def _misses(
    _connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    raise KeyError


async def _waits(
    _connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    raise asyncpg.LockNotAvailableError


def evaluator(books: Books, **blind: Any) -> Evaluator:
    """One whose watches of these kinds are others."""
    others = {AlertKind[kind.upper()]: watch for kind, watch in blind.items()}
    return Evaluator(books.database, books.books, watches={**WATCHES, **others})


async def blinded(books: Books, by: Evaluator) -> int:
    """How many were opened after they were blind for a minute."""
    await books.advance(MINUTE)
    await by.tick()
    await books.advance(A_WHILE)
    return await by.tick()


async def incidents(books: Books) -> dict[str, Any]:
    """All that there are, by their key without the rule's."""
    rows = await books.admin.fetch(
        "select i.*, (select count(*) from page p where p.incident_id = i.id) as pages,"
        " recovered_at is not null as is_over from incident i"
    )
    return {row["rule_id"]: row for row in rows}


async def test_a_locked_table_is_one_incident_that_names_whose_session_it_is(
    books: Books, admin_url: str
) -> None:
    """It pages once, in the gravest of their severities, names each rule and says what to do; a
    tick meanwhile takes seconds; once the table is free and each is judged, it is over."""
    with_rules(books, STANDS, PAUSED, ABSENT)
    await books.tick()
    settings = {"application_name": "nightly-cleanup"}
    holder = await asyncpg.connect(admin_url, server_settings=settings)
    try:
        await holder.execute("begin; lock table lane in access exclusive mode")
        began = time.monotonic()
        assert await books.tick(MINUTE) == 0
        assert time.monotonic() - began < 8
        assert await incidents(books) == {}
        assert await books.tick(A_WHILE) == 1
        assert await books.tick(MINUTE) == 0
        found = await incidents(books)
        assert set(found) == {RULE}
        blind, pid = found[RULE], holder.get_server_pid()
        assert blind["title"] == (
            f"2 rules cannot be judged: table lane locked by pid {pid}, application nightly-cleanup"
            " (idle in transaction)"
        )
        assert (blind["severity"], blind["fault"], blind["integration"]) == (
            min(STANDS.severity, PAUSED.severity, key=list(Severity).index).value,
            "ours",
            "house",
        )
        assert f"pg_terminate_backend({pid})" in blind["facts"]
        assert blind["facts"].count(f"{STANDS.title} (toy)") == 2
        pages = blind["pages"]
        assert pages > 0
    finally:
        await holder.close()
    # While not every rule's turn has come, who held it is not forgotten.
    await books.advance(MINUTE)
    await evaluator(books, queue_age=_waits).tick()
    still = (await incidents(books))[RULE]
    assert (still["title"], still["is_over"]) == (blind["title"], False)
    await books.tick(MINUTE)
    blind = (await incidents(books))[RULE]
    assert (blind["is_over"], blind["pages"]) == (True, pages)
    assert await books.state(STANDS) == "normal"


async def test_it_counts_what_is_blind_still(books: Books) -> None:
    """Fewer and other errors are told by the same incident, which pages nobody anew; it is over
    with the last of them, and open once more when several are blind again."""
    with_rules(books, OPEN, STANDS, ABSENT)
    both = evaluator(books, breaker=_divides, queue_age=_divides)
    assert await blinded(books, both) == 1
    first = (await incidents(books))[RULE]
    assert first["title"] == "2 rules cannot be judged: ZeroDivisionError"
    await books.advance(MINUTE)
    assert await evaluator(books, queue_age=_misses).tick() == 0
    later = (await incidents(books))[RULE]
    assert later["title"] == "1 rule cannot be judged: KeyError"
    assert (later["pages"], later["is_over"]) == (first["pages"], False)
    await books.tick(MINUTE)
    assert (await incidents(books))[RULE]["is_over"]
    assert await blinded(books, both) == 0
    again = (await incidents(books))[RULE]
    assert (again["is_over"], again["pages"] > first["pages"]) == (False, True)
    assert set(await incidents(books)) == {RULE}


async def test_one_that_was_blind_before_joins_those_of_its_cause_alone(books: Books) -> None:
    """Its own incident is led by theirs where the cause is the same, and pages no further; of
    another cause it stays by itself, and does not keep theirs open."""
    with_rules(books, OPEN, STANDS, ABSENT, PAUSED)
    assert await blinded(books, evaluator(books, breaker=_divides)) == 1
    assert set(await incidents(books)) == {OPEN.id}
    more = evaluator(books, breaker=_divides, queue_age=_misses, absence=_misses)
    assert await blinded(books, more) == 1
    found = await incidents(books)
    assert set(found) == {OPEN.id, RULE}
    assert found[OPEN.id]["lead_id"] is None
    assert found[RULE]["title"] == "2 rules cannot be judged: KeyError"
    await books.advance(MINUTE)
    await evaluator(books, breaker=_divides).tick()
    found = await incidents(books)
    assert (found[RULE]["is_over"], found[OPEN.id]["is_over"]) == (True, False)


async def test_one_that_was_led_comes_by_itself_later(books: Books) -> None:
    """Over with the others, and blind alone another night: nobody looks for it under theirs."""
    with_rules(books, OPEN, STANDS, PAUSED)
    alone = evaluator(books, breaker=_divides)
    every = evaluator(books, breaker=_divides, queue_age=_divides, paused=_divides)
    assert await blinded(books, alone) == 1
    assert await blinded(books, every) == 1
    found = await incidents(books)
    assert found[RULE]["title"] == "3 rules cannot be judged: ZeroDivisionError"
    assert (found[OPEN.id]["lead_id"], found[OPEN.id]["next_escalation_at"]) == (
        found[RULE]["id"],
        None,
    )
    await books.tick(MINUTE)
    assert all(one["is_over"] for one in (await incidents(books)).values())
    await blinded(books, alone)
    found = await incidents(books)
    assert (found[OPEN.id]["lead_id"], found[OPEN.id]["is_over"]) == (None, False)
    assert found[RULE]["is_over"]


async def test_closed_while_it_lasts_it_is_open_again(books: Books) -> None:
    """The same incident, as of any rule."""
    with_rules(books, OPEN, STANDS)
    both = evaluator(books, breaker=_divides, queue_age=_divides)
    await blinded(books, both)
    blind = (await incidents(books))[RULE]
    async with books.database.as_oncall() as connection:
        assert await resolve(connection, blind["id"], "Noor")
    await books.advance(MINUTE)
    assert await both.tick() == 0
    again = (await incidents(books))[RULE]
    assert (again["id"], again["status"]) == (blind["id"], "open")
