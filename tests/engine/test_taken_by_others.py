"""Of a rate that is used up: how much of it others took."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mentalspace.console.verdict import verdict
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from tests.engine.books import Books
from tests.engine.rules import FAILING, with_rules

EMAIL = load_runbooks(list(discover_rooms().values()), None).room("email")


@pytest.mark.parametrize(
    ("case_id", "others", "said"),
    [
        ("email.rate_limited", 9, "of the 10 calls at a time that Resend allows it, others took 9"),
        ("email.rate_limited", 0, None),
        ("email.server_error", 9, None),
    ],
    ids=["others have it", "nobody else does", "it is not about a rate"],
)
async def test_who_else_uses_up_a_rate_is_said(
    books: Books, case_id: str, others: int, said: str | None
) -> None:
    """By what the provider last said was left; of nothing but a rate."""
    with_rules(books, FAILING)
    [room] = books.books.rooms
    books.books = replace(books.books, rooms=(replace(room, cases=EMAIL.cases),))
    await books.admin.execute(
        "update credential_state set named_limit = 10, others_before = $1", others
    )
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed"], person)
    await books.admin.execute("update attempt set case_id = $1, fault = 'ours'", case_id)
    assert await books.tick() == 1
    row = dict(await books.admin.fetchrow("select * from incident"))
    row["facts"] = json.loads(row["facts"]) if isinstance(row["facts"], str) else row["facts"]
    facts = {"latest": None, "elsewhere": None}
    found = verdict({**row, "last_good_at": None}, facts, "Resend").because
    if said is None:
        assert "others took" not in found
    else:
        assert said in found
