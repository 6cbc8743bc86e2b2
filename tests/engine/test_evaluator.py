"""What a rule that cannot be evaluated does, and evaluators that take turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mentalspace.engine.alert_history import forget_changes
from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.blindness import BLIND_FOR_S
from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.incidents import severity_of
from mentalspace.engine.runbook import (
    AlertKind,
    AlertRule,
    RoomRunbook,
    load_runbooks,
)
from mentalspace.engine.watch.kinds import WATCHES
from mentalspace.engine.watch.look import Look, Subject
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Severity
from tests.engine.books import Books
from tests.engine.rules import FAILING, MINUTE, OPEN, opened, with_rules


async def _cannot(
    _connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    raise ZeroDivisionError


async def test_a_rule_that_cannot_be_evaluated_is_an_alarm_and_stops_no_other(
    books: Books,
) -> None:
    """Its state is error, never well; a minute of that pages; it recovers when it sees again."""
    with_rules(books, OPEN, FAILING)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    blind = Evaluator(books.database, books.books, watches={**WATCHES, AlertKind.BREAKER: _cannot})
    assert await blind.tick() == 1
    assert await opened(books) == [FAILING.id]
    assert await books.state(OPEN) == "error"
    await books.advance(timedelta(seconds=BLIND_FOR_S + 1))
    assert await blind.tick() == 1
    [incident] = await books.admin.fetch("select * from incident where rule_id = $1", OPEN.id)
    assert (incident["fault"], incident["credential_id"]) == ("ours", None)
    assert "ZeroDivisionError" in json.loads(incident["facts"])["seen"]
    await books.tick(MINUTE)
    assert await books.state(OPEN) == "normal"
    assert await books.admin.fetchval(
        "select recovered_at is not null from incident where rule_id = $1", OPEN.id
    )


async def test_a_rule_blind_to_another_credential_is_blind_still(books: Books) -> None:
    """Its alarm is not over, and does not come anew, because one turn of many went well."""
    with_rules(books, OPEN)
    blind = Evaluator(books.database, books.books, watches={**WATCHES, AlertKind.BREAKER: _cannot})
    await blind.tick()
    await books.advance(timedelta(seconds=BLIND_FOR_S + 1))
    assert await blind.tick() == 1
    other = await _another_credential(books)
    await books.admin.execute(
        "insert into alert_state (key, rule_id, credential_id, practice_id, integration, state)"
        " select rule_id || ':other', rule_id, $1, practice_id, integration, state"
        " from alert_state",
        other,
    )
    await books.admin.execute(
        "update alert_look set whose = array_append(whose, $1),"
        " looked_at = looked_at || (app.now() + interval '1 hour')",
        other,
    )
    over = "select recovered_at is not null from incident where rule_id = $1"
    await books.tick(MINUTE)
    assert await books.state(OPEN) == "normal"
    assert not await books.admin.fetchval(over, OPEN.id)
    await books.admin.execute("update alert_state set state = 'normal'")
    await books.tick(MINUTE)
    assert await books.admin.fetchval(over, OPEN.id)


async def _another_credential(books: Books) -> UUID:
    """Of the same practice, with the state every credential has."""
    other: UUID = await books.admin.fetchval(
        "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
        " secrets, rate_per_s) select practice_id, integration, provider, 'other', base_url, live,"
        " secrets, rate_per_s from credential returning id"
    )
    await books.admin.execute(
        "insert into credential_state (credential_id, practice_id)"
        " select id, practice_id from credential where id = $1 on conflict do nothing",
        other,
    )
    return other


async def test_states_of_a_drill_that_is_over_are_forgotten(books: Books) -> None:
    """With its changes; while it runs they are there, and its rule's line with them."""
    with_rules(books, OPEN)
    await books.admin.execute("update credential set drill = 'd-1'")
    await books.tick()
    kept = "select (select count(*) from alert_state) + (select count(*) from alert_change)"
    await forget_changes(books.database)
    assert await books.admin.fetchval(kept) == 2
    await books.admin.execute("update credential set active = false")
    await forget_changes(books.database)
    assert await books.admin.fetchval(kept) == 0


def test_a_share_is_as_grave_as_its_rule_says() -> None:
    """Whatever case was the most frequent; what is about one case is as grave as that."""
    books = load_runbooks(list(discover_rooms().values()), None)
    low = next(case for case in books.cases if case.severity is Severity.LOW)
    for kind in AlertKind:
        grave = replace(FAILING, kind=kind, severity=Severity.HIGH)
        expected = Severity.LOW if kind in (AlertKind.CASE, AlertKind.PAUSED) else Severity.HIGH
        assert severity_of(books, grave, low.id) is expected, kind


async def test_a_question_that_fails_in_the_database_leaves_the_others_theirs(
    books: Books,
) -> None:
    """A statement that PostgreSQL refuses does not undo what the tick found before and after."""

    async def refused(
        connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
    ) -> Mapping[UUID, Look]:
        await connection.execute("select 1 / 0")
        return {}

    last = replace(FAILING, id="toy.last")
    with_rules(books, FAILING, OPEN, last)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    evaluator = Evaluator(
        books.database, books.books, watches={**WATCHES, AlertKind.BREAKER: refused}
    )
    assert await evaluator.tick() == 2
    assert await opened(books) == [FAILING.id, last.id]
    assert await books.state(OPEN) == "error"


async def test_one_leads_and_a_killed_one_leaves_nothing_half_done(
    books: Books, database: Database
) -> None:
    """While one is at it the other skips; when it dies within its tick, after it opened the
    incident and before it was done, the next one opens that, once, with one page."""
    with_rules(books, FAILING, OPEN)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    reached, go, pids = asyncio.Event(), asyncio.Event(), []

    async def hangs(
        connection: Connection, _room: RoomRunbook, _rule: AlertRule, _subjects: Sequence[Subject]
    ) -> Mapping[UUID, Look]:
        assert await connection.fetchval("select count(*) from incident") == 1
        pids.append(await connection.fetchval("select pg_backend_pid()"))
        reached.set()
        await go.wait()
        await connection.fetchval("select 1")
        return {}

    one = Evaluator(database, books.books, watches={**WATCHES, AlertKind.BREAKER: hangs})
    other = Evaluator(database, books.books)
    ticking = asyncio.create_task(one.tick())
    await asyncio.wait_for(reached.wait(), 10)
    assert await other.tick() == 0, "somebody else leads"
    assert await opened(books) == []
    await books.admin.execute("select pg_terminate_backend($1)", pids[0])
    go.set()
    with pytest.raises(CONNECTION_LOST):
        await ticking
    await _until_free(books)
    assert await other.tick() == 1
    assert await other.tick() == 0
    assert await opened(books) == [FAILING.id]
    assert await books.admin.fetchval("select count(*) from page") == 1


async def _until_free(books: Books) -> None:
    async with asyncio.timeout(10):
        while await books.admin.fetchval(
            "select exists (select from pg_locks where locktype = 'advisory' and granted)"
        ):
            await asyncio.sleep(0.05)


async def test_a_failure_is_looked_at_at_once_and_calm_seldom(books: Books) -> None:
    """Five seconds after a look nothing is asked of a credential that is calm, nor of its breaker;
    a failure is asked about by the next tick, however young the last look is."""
    with_rules(books, FAILING, OPEN)
    evaluator = Evaluator(books.database, books.books)
    await books.try_(["succeeded"], "p0")
    await evaluator.tick()
    looked, asked = await _looked(books), await _looked(books, OPEN)
    await books.advance(timedelta(seconds=6))
    await evaluator.tick()
    assert (await _looked(books), await _looked(books, OPEN)) == (looked, asked)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await evaluator.tick() == 1
    assert await _looked(books) > looked
    assert await _looked(books, OPEN) > asked


async def test_between_two_looks_at_everybody_only_what_has_just_failed_is_looked_at(
    books: Books,
) -> None:
    """A credential that is new waits for the next look at everybody; a failure of one looks at that
    one alone, and once it is time for all, which is never later than this, so is the new one."""
    with_rules(books, FAILING)
    evaluator = Evaluator(books.database, books.books)
    assert await evaluator.tick() == 0
    other = await _another_credential(books)
    whose = "select whose from alert_look"
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await evaluator.tick() == 1
    assert other not in await books.admin.fetchval(whose)
    await books.advance(timedelta(seconds=20))
    await evaluator.tick()
    assert other in await books.admin.fetchval(whose)


async def test_the_longer_a_look_at_everybody_takes_the_later_is_the_next(books: Books) -> None:
    """Six tenths of a second of looking are a twentieth of twelve; whoever has just failed does not
    wait for it."""

    async def tardy(*asked: Any) -> Mapping[UUID, Look]:
        await books.admin.execute("select pg_sleep(0.6)")
        return await WATCHES[FAILING.kind](*asked)

    with_rules(books, FAILING)
    watches = {**WATCHES, FAILING.kind: tardy}
    evaluator = Evaluator(books.database, books.books, watches=watches)
    await evaluator.tick()
    other = await _another_credential(books)
    whose = "select whose from alert_look"
    await books.advance(timedelta(seconds=8))
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await evaluator.tick() == 1
    assert other not in await books.admin.fetchval(whose)
    await books.advance(timedelta(seconds=12))
    await evaluator.tick()
    assert other in await books.admin.fetchval(whose)


async def test_a_look_that_sees_the_same_writes_its_time_alone(books: Books) -> None:
    """The state's row stays as it is, whichever host looks, and the next one counts the turn from
    the last look of the other; what is seen anew is written."""
    with_rules(books, FAILING)
    await books.try_(["succeeded"], "p0")
    await books.tick()
    row, looked = await _row(books), await _looked(books)
    await books.tick(MINUTE)
    again = await _looked(books)
    assert (await _row(books), again - looked >= MINUTE) == (row, True)
    await books.tick()
    assert await _looked(books) == again, "another host has just looked"
    await books.try_(["failed"], "p1")
    await books.tick(MINUTE)
    assert await _row(books) != row


async def test_who_is_no_longer_active_is_looked_at_no_more(books: Books) -> None:
    """Nor is it remembered when it last was."""
    with_rules(books, OPEN)
    await books.tick()
    whose = "select whose from alert_look"
    assert await books.admin.fetchval(whose) == [books.credential_id]
    await books.admin.execute("update credential set active = false")
    await forget_changes(books.database)
    assert await books.admin.fetchval(whose) == []


async def _row(books: Books) -> str:
    """Which version of its row the rule's state is in."""
    version: str = await books.admin.fetchval(
        "select ctid || ' ' || xmin from alert_state where rule_id = $1", FAILING.id
    )
    return version


async def _looked(books: Books, rule: AlertRule = FAILING) -> datetime:
    looked: datetime = await books.admin.fetchval(
        "select app.looked_at($1, $2)", rule.id, books.credential_id
    )
    return looked
