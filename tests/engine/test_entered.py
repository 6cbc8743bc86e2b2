"""What fails since a new secret is ours, and the incident says so, unless others fail as well."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mentalspace.console import words
from mentalspace.engine.incidents import acknowledge
from tests.engine.books import Books
from tests.engine.rules import FAILING, MINUTE, OPEN, with_rules

LITTLE = timedelta(seconds=6)


async def _enter(books: Books) -> None:
    """A new secret, a second ago."""
    await books.admin.execute(
        "update credential set rotated_at = app.now() where id = $1", books.credential_id
    )
    await books.advance(timedelta(seconds=1))


async def _fail(*those: Books, people: int = 3) -> None:
    for books in those:
        for number in range(people):
            await books.try_(["failed"], f"p{number}")


async def _incident(books: Books) -> dict[str, Any]:
    row = await books.admin.fetchrow(
        "select * from incident where credential_id = $1", books.credential_id
    )
    assert row is not None
    return {**dict(row), "facts": json.loads(row["facts"])}


async def _told(books: Books, incident: dict[str, Any]) -> list[str]:
    rows = await books.admin.fetch(
        "select kind from timeline where incident_id = $1 order by id", incident["id"]
    )
    return [row["kind"] for row in rows]


@pytest.mark.parametrize(
    ("went_well", "entered_ago", "is_ours"),
    [(False, 1, True), (True, 1, False), (False, 30, False)],
    ids=["nothing went well with it", "something did", "long before"],
)
async def test_what_fails_since_a_new_secret_is_ours(
    books: Books, went_well: bool, entered_ago: int, is_ours: bool
) -> None:
    """Whoever entered it a minute before can say what they entered; the provider cannot. It is of
    no group, and its first step is to look there."""
    with_rules(books, FAILING)
    await books.try_(["succeeded"], "p0")
    await books.advance(timedelta(minutes=40))
    await _enter(books)
    if went_well:
        await books.try_(["succeeded"], "p0")
    await books.advance(timedelta(minutes=entered_ago))
    await _fail(books)
    assert await books.tick() == 1
    incident = await _incident(books)
    assert incident["fault"] == ("ours" if is_ours else "theirs")
    assert (incident["cause"] is None) is is_ours
    assert words.whose(incident) == ("Ours, most likely" if is_ours else "Theirs")
    assert (words.entered_at(incident) is not None) is is_ours
    assert ("what was entered" in incident["facts"]["first_step"]) is is_ours


async def test_a_breaker_that_opened_by_it_is_no_second_incident(books: Books) -> None:
    """Whichever rule tells of it, it is ours; the others are covered by it as ever."""
    covered = replace(OPEN, covered_by=(FAILING.id,), threshold=0)
    with_rules(books, FAILING, covered)
    await _enter(books)
    await _fail(books)
    await books.admin.execute(
        "update credential_state set breaker = 'open', opened_at = app.now()"
        " where credential_id = $1",
        books.credential_id,
    )
    assert await books.tick() == 1
    assert (await _incident(books))["rule_id"] == FAILING.id


async def test_a_provider_that_fails_others_as_well_is_not_ours(books: Books) -> None:
    """A secret entered while the provider is out is none to blame: both are one group."""
    with_rules(books, FAILING)
    other = await books.second()
    await other.try_(["succeeded"], "p0")
    await _enter(books)
    await _fail(books, other)
    assert await books.tick() == 2
    mine, theirs = await _incident(books), await _incident(other)
    assert (mine["fault"], theirs["fault"]) == ("theirs", "theirs")
    assert mine["cause"] == theirs["cause"] is not None, "one group"
    assert "entered_at" not in mine["facts"]
    assert mine["facts"]["others_fail"] == 1


@pytest.mark.parametrize("entered_too", [True, False])
async def test_who_has_a_new_secret_as_well_is_no_witness(books: Books, entered_too: bool) -> None:
    """Two practices' secrets entered with one wrong address fail together, and are ours."""
    with_rules(books, FAILING)
    other = await books.second()
    await _enter(books)
    if entered_too:
        await _enter(other)
    await _fail(books, other)
    assert await books.tick() == 2
    expected = ("ours", "ours") if entered_too else ("theirs", "theirs")
    assert ((await _incident(books))["fault"], (await _incident(other))["fault"]) == expected


async def test_what_goes_on_when_others_are_well_turns_and_pages(books: Books) -> None:
    """Told as theirs while others failed: once these are answered and it goes on, it is ours,
    leaves the group, is nobody's again and pages; whom it touched since it began is counted on."""
    with_rules(books, FAILING)
    other = await books.second()
    await _enter(books)
    await _fail(other, books)
    await books.tick()
    lead = await _incident(other)
    async with books.database.as_oncall() as connection:
        assert await acknowledge(connection, lead["id"], "noor")
    pages = await books.admin.fetchval("select count(*) from page")
    for number in range(6):
        await other.try_(["succeeded"], f"p{number}")
    await _fail(books)
    await books.tick(LITTLE)
    mine = await _incident(books)
    assert (mine["fault"], mine["status"], mine["lead_id"]) == ("ours", "open", None)
    assert (words.turned_at(mine), words.whose(mine)) == (None, "Ours, most likely")
    assert await books.admin.fetchval("select count(*) from page") == pages + 1
    assert (await _told(books, mine)).count("cause_changed") == 1
    await books.tick(LITTLE)
    assert (await _told(books, mine)).count("cause_changed") == 1


async def test_what_was_over_and_fails_by_a_new_secret_turns(books: Books) -> None:
    """An outage that is over, not closed; then a secret is entered, and nothing goes well: ours
    since then."""
    with_rules(books, FAILING)
    await _fail(books)
    await books.tick()
    for _ in range(3):
        await books.try_(["succeeded"], "p0")
    await books.tick(timedelta(minutes=11))
    await books.tick(timedelta(minutes=11))
    assert (await _incident(books))["recovered_at"] is not None
    await _enter(books)
    await _fail(books)
    await books.tick(MINUTE)
    mine = await _incident(books)
    turned = words.turned_at(mine)
    assert (mine["fault"], mine["recovered_at"]) == ("ours", None)
    assert turned is not None and turned > mine["since"] + timedelta(minutes=20)
    assert words.before(mine) == {"case": None, "fault": "theirs"}


async def test_what_was_blamed_too_early_is_the_providers_after_all(books: Books) -> None:
    """The first to fail had a new secret; a minute later others fail as well. It joins them, wakes
    nobody anew, and says why."""
    with_rules(books, FAILING)
    other = await books.second()
    await other.try_(["succeeded"], "p0")
    await books.advance(5 * MINUTE)
    await _enter(books)
    await _fail(books)
    await books.tick()
    assert (await _incident(books))["fault"] == "ours"
    await books.advance(MINUTE)
    await _fail(books, other)
    await books.tick(LITTLE)
    mine, theirs = await _incident(books), await _incident(other)
    assert (mine["fault"], theirs["fault"]) == ("theirs", "theirs")
    assert mine["cause"] == theirs["cause"] is not None
    assert words.entered_at(mine) is None and words.whose(mine) == "Theirs"
    assert (await _told(books, mine)).count("fault_changed") == 1
    assert await books.admin.fetchval(
        "select count(*) from page where incident_id = $1 and step > 0", mine["id"]
    ) == 0  # fmt: skip
