"""Rules that are silenced: what is shown, what is paged, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mentalspace.engine.alert_board import read_board
from mentalspace.engine.alert_silence import (
    NewSilence,
    add_silence,
    lift_silence,
    standing_silences,
)
from mentalspace.engine.escalation import escalate
from mentalspace.engine.incidents import acknowledge
from mentalspace.engine.watch.state import State
from mentalspace.kernel.errors import Refused
from tests.engine.books import LOW, Books
from tests.engine.rules import FAILING, HOUR, MINUTE, with_rules


async def _silence(books: Books, **about: Any) -> UUID:
    new = NewSilence(
        about.get("rule_id"), about.get("integration"), about.get("practice_id"), "moving", HOUR
    )
    async with books.database.as_oncall() as connection:
        return await add_silence(connection, books.books, new, "noor")


@pytest.mark.parametrize("about", ["rule_id", "integration", "practice_id"])
async def test_a_silenced_rule_is_shown_and_pages_at_the_end_if_it_still_holds(
    books: Books, about: str
) -> None:
    """Alerting on the board, with its silence; no incident before that has ended."""
    with_rules(books, FAILING)
    value = {"rule_id": FAILING.id, "integration": "toy", "practice_id": books.practice_id}[about]
    await _silence(books, **{about: value})
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await books.tick() == 0
    async with books.database.as_oncall() as connection:
        silences = await standing_silences(connection)
        [line] = await read_board(connection, connection, books.books, silences)
    assert line.state is State.ALERTING
    assert line.worst[0].silence == silences[0]
    assert await books.tick(timedelta(minutes=59)) == 0
    assert await books.tick(2 * MINUTE) == 1


async def _page_further(books: Books) -> int:
    async with books.database.as_dispatcher() as connection:
        return await escalate(connection, books.books.escalation)


async def _lift(books: Books, silence_id: UUID) -> bool:
    async with books.database.as_oncall() as connection:
        return await lift_silence(connection, silence_id, "noor")


async def _open(books: Books) -> None:
    with_rules(books, FAILING)
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    assert await books.tick() == 1


async def test_a_silence_holds_back_the_next_page_of_what_is_open(books: Books) -> None:
    """Until its end, or until it and every other about the same is lifted."""
    await _open(books)
    first = await _silence(books, integration="toy")
    other = await _silence(books, rule_id=FAILING.id)
    await books.advance(timedelta(minutes=45))
    assert await _page_further(books) == 0
    assert await _lift(books, first)
    assert not await _lift(books, first)
    assert await _page_further(books) == 0
    assert await _lift(books, other)
    assert await _page_further(books) == 1


async def test_a_silence_lifted_early_leaves_the_clock_as_it_was(books: Books) -> None:
    """What nobody has acknowledged in its time is paged further at that time."""
    await _open(books)
    due = await books.admin.fetchval("select next_escalation_at from incident")
    assert await _lift(books, await _silence(books, practice_id=books.practice_id))
    assert await books.admin.fetchval("select next_escalation_at from incident") == due
    await books.advance(timedelta(minutes=45))
    assert await _page_further(books) == 1


async def test_what_somebody_has_in_hand_is_not_taken_back_in_a_silence(books: Books) -> None:
    """Its time is over, and nobody is woken before the silence is."""
    await _open(books)
    incident_id = await books.admin.fetchval("select id from incident")
    async with books.database.as_oncall() as connection:
        assert await acknowledge(connection, incident_id, "noor")
    silence_id = await _silence(books, integration="toy")
    await books.admin.execute("update incident set resolve_due_at = app.now()")
    assert await _page_further(books) == 0
    assert await _lift(books, silence_id)
    assert await _page_further(books) == 1


async def test_a_silence_is_about_something_has_a_reason_and_ends(books: Books) -> None:
    """Each refusal says what is missing, or that there is no such thing."""
    good = NewSilence(LOW.id, None, None, "moving", HOUR)
    for wrong, code in (
        (replace(good, rule_id=None), "silence_of_everything"),
        (replace(good, reason=" "), "silence_without_reason"),
        (replace(good, lasts=timedelta(days=8)), "silence_too_long"),
        (replace(good, lasts=timedelta(0)), "silence_too_long"),
        (replace(good, rule_id="toy.x"), "no_such_rule"),
        (replace(good, integration="fax"), "no_such_room"),
        (replace(good, practice_id=uuid4()), "no_such_practice"),
    ):
        async with books.database.as_oncall() as connection:
            with pytest.raises(Refused) as refused:
                await add_silence(connection, books.books, wrong, "noor")
        assert refused.value.code == code
