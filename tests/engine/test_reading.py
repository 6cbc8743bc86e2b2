"""What is asked every second reads what it needs, however large the ledger: told by what PostgreSQL
says it has read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mentalspace.engine import alarm
from mentalspace.engine.alerts import EVALUATION_LOCK
from mentalspace.engine.db import migrate
from mentalspace.engine.dispatch import _EXPIRE, _WAKE
from mentalspace.engine.lost_callbacks import _READ
from mentalspace.engine.rates_sql import EVENTS, EVENTS_OF_MANY
from mentalspace.engine.rollup import FOLD_LOCK, Folder, fold_once, rules_of
from mentalspace.engine.watch.burn import _TRIED
from mentalspace.engine.watch.callbacks import _SILENT
from mentalspace.engine.watch.streak import _STREAKS
from mentalspace.workflows.impact.counted import JOINT, Asked, columns
from tests.engine.books import Books

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# Whether the tables were looked at is a matter of the tests before, and of the hour. As it is of a
# new database: nothing is known, and none is taken for empty.
_UNKNOWN = "delete from pg_statistic where starelid = any ($1::regclass[])"
_UNCOUNTED = "update pg_class set reltuples = -1, relpages = 0 where oid = any ($1::regclass[])"
_LEDGER = ["attempt", "attempt_delivery", "delivery"]


async def read(books: Books, sql: str, *values: Any) -> Counter[str]:
    """How many rows of which table a statement took up, also for nothing, with indexes wherever
    there are some."""
    async with books.admin.transaction():
        await books.admin.execute(_UNKNOWN, _LEDGER)
        await books.admin.execute(_UNCOUNTED, _LEDGER)
        await books.admin.execute(
            "set local enable_seqscan = off; set local enable_bitmapscan = off"
        )
        plan = json.loads(
            await books.admin.fetchval(f"explain (analyze, format json) {sql}", *values)
        )
    found: Counter[str] = Counter()
    for node in _nodes(plan[0]["Plan"]):
        if table := node.get("Relation Name"):
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            found[table] += round(rows * node["Actual Loops"])
    return found


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


async def test_after_a_success_nothing_else_is_read_of_a_streak(books: Books) -> None:
    """The latest try; of one that failed, those up to the last success."""
    for person in ("p1", "p2", "p3"):
        await books.try_(["failed", "succeeded"], person)
    asked = (_STREAKS, [books.credential_id], None)
    assert (await read(books, *asked))["attempt"] == 1
    await books.try_(["failed"], "p4")
    found = await read(books, *asked)
    assert (found["attempt_delivery"], found["delivery"]) == (1, 1)


async def test_who_never_called_back_is_not_counted_for(books: Books) -> None:
    """Of a week's messages none is read before there was a callback to miss."""
    await books.write("accepted", 4, ago=2 * HOUR)
    asked = (_SILENT, [books.credential_id], 1800.0, 60.0)
    assert (await read(books, *asked))["delivery"] == 0
    await books.hear(ago=3 * HOUR)
    assert (await read(books, *asked))["delivery"] == 4


async def test_of_who_has_lost_no_callback_nothing_is_counted(books: Books) -> None:
    """An hour's messages are read where some are known by asking alone, and nowhere else."""
    await books.write("delivered", 4, ago=0.5 * HOUR)
    asked = (_READ, 3600.0, None, [books.credential_id])
    assert (await read(books, *asked))["delivery"] == 0
    await books.admin.execute(
        "insert into callback_question (delivery_id, practice_id, credential_id, answer, ended_at)"
        " select id, practice_id, credential_id, 'ended', accepted_at from delivery limit 3"
    )
    assert (await read(books, *asked))["delivery"] >= 4


async def test_a_burning_budget_reads_the_tries_of_its_window(books: Books) -> None:
    """And their links alone, not those of every message there ever was."""
    await books.write("delivered", 6, ago=2 * DAY)
    await books.try_(["succeeded"], "p1")
    await books.try_(["failed"], "p2")
    found = await read(books, _TRIED, [books.credential_id], [300.0, 3600.0], 3600.0)
    assert (found["attempt"], found["attempt_delivery"]) == (2, 2)


async def test_events_lead_to_their_messages_one_by_one(books: Books) -> None:
    """A few bounces among many messages, and only those of the practice that is asked about."""
    await books.write("delivered", 8, ago=HOUR)
    await books.write("bounced", 2, ago=HOUR, event="toy.bounced")
    ids = [books.credential_id]
    for question in (EVENTS, EVENTS_OF_MANY):
        found = await read(books, question, ids, [7200.0], False, ["toy.bounced"])
        assert (found["timeline"], found["delivery"]) == (2, 2)


async def test_what_waits_for_another_day_is_not_read(books: Books) -> None:
    """Reminders of next week have not expired, and are not read to find that out."""
    await books.write("pending", 5)
    await books.admin.execute(
        "update delivery set next_attempt_at = app.now() + interval '7 days',"
        " expires_at = app.now() + interval '8 days'"
    )
    await books.write("pending", 1, ago=HOUR)
    await books.admin.execute(
        "update delivery set expires_at = app.now(), next_attempt_at = app.now() - interval '1 h'"
        " where expires_at is null"
    )
    late = "select id from delivery where status in ('pending', 'due') and expires_at <= app.now()"
    assert late in " ".join(_EXPIRE.split())
    assert (await read(books, f"{late} order by expires_at limit 500"))["delivery"] == 1


async def test_whose_turn_it_is_reads_one_message_of_a_lane(books: Books) -> None:
    """However many are due in it."""
    await books.write("due", 6, ago=HOUR)
    await books.admin.execute("update delivery set next_attempt_at = app.now()")
    assert (await read(books, _WAKE))["delivery"] == 1


async def test_a_fold_is_planned_for_what_it_is_given(books: Books) -> None:
    """Not as one of ten buckets was, and in memory; nothing of it outlasts its transaction."""
    said = "select current_setting('plan_cache_mode') || ' ' || current_setting('work_mem')"
    rules = rules_of(books.books)
    async with books.database.as_dispatcher() as connection:
        await fold_once(connection, rules)
        assert await connection.fetchval(said) == "force_custom_plan 64MB"
    await Folder(books.database, books.books).tick()
    async with books.database.as_dispatcher() as connection:
        assert await connection.fetchval(said) == "auto 4MB"


def test_no_two_locks_have_one_number() -> None:
    """Who holds one would keep the other's work from being done."""
    locks = [EVALUATION_LOCK, FOLD_LOCK, alarm.DAILY_LOCK, migrate.MIGRATION_LOCK]
    assert len(set(locks)) == len(locks)


async def test_whom_an_incident_touches_is_read_of_its_own_time(books: Books) -> None:
    """Of the tries before it began none, and of what ended before nothing."""
    now = await books.admin.fetchval("select app.now()")
    asked = [Asked(books.credential_id, "toy", since=now - HOUR)]
    await books.try_(["failed"], "p1")
    before = await read(books, JOINT, *columns(asked))
    assert before["attempt_delivery"] == 2, "of the one that failed, for what it met and its last"
    await books.write("delivered", 20, ago=2 * DAY)
    await books.write("failed", 20, ago=2 * DAY)
    found = await read(books, JOINT, *columns(asked))
    assert (found["attempt"], found["attempt_delivery"]) == (
        before["attempt"], before["attempt_delivery"],
    )  # fmt: skip
