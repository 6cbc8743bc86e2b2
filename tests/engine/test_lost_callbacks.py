"""Some callbacks are lost while others come: told from chance and from late ones, and whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mentalspace.engine.runbook import AlertKind
from mentalspace.kernel.case import Severity
from tests.engine.books import Books
from tests.engine.rules import MINUTE, SILENT, opened, rule, with_rules

PARTLY = rule(AlertKind.LOST_CALLBACKS, 0.05, healthy=0.01, severity=Severity.LOW)
AGO = 20 * MINUTE

_LOSE = """
insert into callback_question (delivery_id, practice_id, credential_id, asked_at, answer, ended_at)
select id, practice_id, credential_id, accepted_at + interval '2 min', $3,
       accepted_at + interval '2 s'
  from delivery where credential_id = $1 order by accepted_at, id limit $2
"""


async def lose(books: Books, count: int, of: int, answer: str = "ended") -> None:
    """So many of them were told of by asking alone; the others were called back about."""
    await books.write("delivered", of, ago=AGO)
    await books.admin.execute(_LOSE, books.credential_id, count, answer)
    await books.hear(ago=AGO - MINUTE)


async def seen(books: Books) -> tuple[str, str]:
    row = await books.admin.fetchrow("select fault, facts ->> 'seen' as seen from incident")
    return row["fault"], row["seen"]


async def test_three_of_ten_are_told(books: Books) -> None:
    """With how many, that asking told of them, and that nobody goes without; it is over with
    them."""
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    assert await books.tick() == 1
    fault, told = await seen(books)
    assert told.startswith("of 10 messages 3 were never called back about (30%): what became of")
    assert (fault, "Whose it is cannot be told" in told) == ("unclear", True)
    step = await books.admin.fetchval("select facts ->> 'first_step' from incident")
    assert "Send nothing again: nobody goes without" in step
    await books.advance(timedelta(hours=1))
    await books.tick()
    assert await books.state(PARTLY) == "recovering"


async def test_a_few_of_many_are_chance(books: Books) -> None:
    """Three of a hundred are under the line; and of three that were asked after none need be lost:
    one is on its way, of others the callback came after all."""
    with_rules(books, PARTLY)
    await lose(books, 3, 100)
    await books.tick()
    assert await books.state(PARTLY) == "normal"


async def test_what_comes_late_is_not_lost(books: Books) -> None:
    """Nor is what the provider has not done with."""
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    await books.admin.execute(
        "insert into timeline (practice_id, delivery_id, kind, data, actor)"
        ' select practice_id, delivery_id, \'provider_event\', $${"heard": "webhook"}$$,'
        " 'provider' from callback_question limit 1"
    )
    await books.tick()
    assert await books.state(PARTLY) == "normal"
    await books.admin.execute("delete from callback_question")
    await books.admin.execute(_LOSE, books.credential_id, 3, "on_its_way")
    await books.tick(MINUTE)
    assert await books.state(PARTLY) == "normal"


async def test_where_none_come_another_rule_tells(books: Books) -> None:
    """That one says more, and what both see is one incident."""
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    await books.admin.execute("delete from inbox")
    await books.tick()
    assert await books.state(PARTLY) == "normal"
    with_rules(books, SILENT, replace(PARTLY, covered_by=(SILENT.id,)))
    await books.hear(ago=AGO - 4 * MINUTE)
    await books.write("accepted", 3, ago=0.5 * AGO)
    await books.admin.execute(
        "insert into callback_question (delivery_id, practice_id, credential_id, answer, ended_at)"
        " select id, practice_id, credential_id, 'ended', accepted_at from delivery"
        " where status = 'accepted'"
    )
    await books.tick(MINUTE)
    assert await books.state(PARTLY) == "alerting"
    assert await opened(books) == [SILENT.id]


async def test_whose_they_are_is_told_by_the_others(books: Books) -> None:
    """Of a provider's other credentials lose some: theirs. All are whole: this account's. Our own
    door refuses some, or another provider's are lost too: ours."""
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    other = await books.second()
    await other.hear(ago=MINUTE)
    await books.tick()
    fault, told = await seen(books)
    assert (fault, "This account’s webhook" in told) == ("theirs", True)
    await lose(other, 4, 12)
    await books.tick(MINUTE)
    whose = await books.admin.fetch(
        "select fault, facts ->> 'seen' as seen, lead_id from incident order by opened_at, lead_id"
    )
    assert [row["fault"] for row in whose] == ["theirs", "theirs"]
    assert all("Theirs, it seems: 1 other of" in row["seen"] for row in whose)
    assert sum(row["lead_id"] is not None for row in whose) == 1, "one provider, one group"


async def test_our_own_door_that_refuses_some_is_ours(books: Books) -> None:
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    await books.admin.execute(
        "insert into hook_refusal select id, practice_id, 'signature', 1, app.now(),"
        " app.now() - interval '10 min' from credential"
    )
    await books.tick()
    fault, told = await seen(books)
    assert (fault, "our own door refused some" in told, "(signature)" in told) == (
        "ours", True, True,
    )  # fmt: skip


async def test_two_providers_that_lose_some_share_the_way_to_our_door(books: Books) -> None:
    """It is ours, and one page for all of them."""
    with_rules(books, PARTLY)
    await lose(books, 3, 10)
    other = await books.second(provider="bolt")
    await lose(other, 3, 10)
    assert await books.tick() == 2
    rows = await books.admin.fetch("select fault, lead_id, facts ->> 'seen' as seen from incident")
    assert {row["fault"] for row in rows} == {"ours"}
    assert all("before our door" in row["seen"] for row in rows)
    assert sum(row["lead_id"] is not None for row in rows) == 1
