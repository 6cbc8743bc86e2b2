"""Rollups: whatever comes late, dies or drills in between, they say what the ledger says."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.rates import DAY_S, MONTH_S, Rates, read_rates
from mentalspace.engine.rollup import Folder, fold_once, rules_of
from mentalspace.engine.runbook import Overview, RoomRunbook, Runbooks, load_runbooks
from mentalspace.engine.spread import EDGES_S, percentile, slot_of, within
from mentalspace.integrations import discover_rooms
from tests.engine.books import (
    BOUNCED,
    COMPLAINED,
    DELIVERED,
    FAILED,
    LATE,
    LEFT,
    SENT_IN,
    UP,
)
from tests.engine.toy import CASES, make_practice

ZONES = ("America/New_York", "Asia/Kolkata")
TABLES = {
    "rollup_hour": "credential_id, at",
    "rollup_day": "credential_id, day",
    "rollup_platform": "integration, provider, at",
    "reached": "credential_id, recipient_key",
}


@dataclass(slots=True)
class Ledger:
    """Credentials of two practices and one of drills, whose messages live and end as they like."""

    admin: asyncpg.Connection[Any]
    database: Database
    books: Runbooks
    lanes: dict[UUID, tuple[UUID, UUID]] = field(default_factory=dict)
    taken: list[UUID] = field(default_factory=list)

    @property
    def folder(self) -> Folder:
        return Folder(self.database, self.books, lines=50)

    @property
    def credentials(self) -> list[UUID]:
        return list(self.lanes)

    async def advance(self, by: timedelta) -> None:
        await self.admin.fetchval("select app.advance_clock($1)", by)

    async def put_in(
        self,
        credential_id: UUID,
        status: str = "accepted",
        *,
        took: timedelta = timedelta(seconds=2),
        case: str | None = None,
        fault: str | None = None,
        drill: str | None = None,
        person: str = "k",
        weight: int = 1,
    ) -> UUID:
        """A message that the provider takes now, or that ends untaken; with its attempt."""
        practice_id, lane_id = self.lanes[credential_id]
        whose = (practice_id, lane_id, credential_id)
        async with self.admin.transaction():
            delivery_id: UUID = await self.admin.fetchval(
                "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
                " recipient_key, status, idempotency_key, due_at, accepted_at, ended_at,"
                " last_case, traceparent, drill, weight)"
                " values ($1, $2, $3, 'toy', 'x', $4, $5, $6, app.now() - $7::interval,"
                " case when $5 = 'accepted' then app.now() end,"
                " case when $5 <> 'accepted' then app.now() end, $8, 't', $9, $10) returning id",
                *whose, person, status, secrets.token_hex(8), took, case, drill, weight,
            )  # fmt: skip
            attempt_id = await self.admin.fetchval(
                "insert into attempt (practice_id, lane_id, credential_id, integration, state,"
                " idempotency_key, worker, deadline_s, finished_at, fault, case_id, code,"
                " traceparent, drill) values ($1, $2, $3, 'toy', $4, 'k', 'w', 10, app.now(), $5,"
                " $6, $7, 't', $8) returning id",
                *whose, "failed" if fault else "succeeded", fault, case,
                "E-7" if fault else None, drill,
            )  # fmt: skip
            await self.admin.execute(
                "insert into attempt_delivery values ($1, $2, $3)",
                attempt_id, delivery_id, practice_id,
            )  # fmt: skip
            await self._say(delivery_id, attempt_id, status, {})
        if status == "accepted" and drill is None:
            self.taken.append(delivery_id)
        return delivery_id

    async def hear(
        self, delivery_id: UUID, event: str, status: str | None, case: str | None = None
    ) -> None:
        """The provider speaks of a message, as `apply_event` writes it down."""
        async with self.admin.transaction():
            if status is not None:
                await self.admin.execute(
                    "update delivery set status = $2, last_case = coalesce($3, last_case)"
                    " where id = $1 and status = 'accepted'",
                    delivery_id,
                    status,
                    case,
                )
            told = {"event": event, "code": "30005"} | ({"case": case} if case else {})
            await self._say(delivery_id, None, "provider_event", told)

    async def _say(
        self, delivery_id: UUID, attempt_id: UUID | None, kind: str, data: Mapping[str, Any]
    ) -> None:
        await self.admin.execute(
            "insert into timeline (practice_id, delivery_id, attempt_id, kind, data, actor, drill)"
            " select practice_id, id, $2, $3, $4::jsonb, 'w', drill from delivery where id = $1",
            delivery_id,
            attempt_id,
            kind,
            json.dumps(data),
        )

    async def leave(self, credential_id: UUID, person: str, drill: str | None = None) -> None:
        await self.admin.execute(
            "insert into suppression (practice_id, integration, recipient_key, reason, drill)"
            " values ($1, 'toy', $2, 'opted_out', $3) on conflict do nothing",
            self.lanes[credential_id][0],
            person,
            drill,
        )

    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Every rollup, without the buckets of nothing."""
        found = {}
        for table, order in TABLES.items():
            rows = await self.admin.fetch(f"select * from {table} order by {order}")
            found[table] = [dict(row) for row in rows]
        return found

    async def fold_anew(self) -> dict[str, list[dict[str, Any]]]:
        """What a first fold makes of the same ledger."""
        await self.admin.execute(f"truncate {', '.join(TABLES)}")
        await self.admin.execute("update rollup_state set folded_until = null, rules = null")
        await self.folder.tick()
        return await self.rows()

    async def rates(self, overview: Overview, *, pooled: bool = False) -> Rates:
        cases = self.books.rooms[0].recipient_cases
        async with self.database.as_oncall() as connection:
            return await read_rates(
                connection, overview, cases, self.credentials, (DAY_S, MONTH_S), pooled=pooled
            )


@pytest.fixture
async def ledger(admin: asyncpg.Connection[Any], database: Database) -> AsyncIterator[Ledger]:
    real = load_runbooks(list(discover_rooms().values()), None)
    overview = replace(
        real.rooms[0].overview,
        room="toy",
        metrics=(DELIVERED, BOUNCED, COMPLAINED, SENT_IN, UP, FAILED, LATE, LEFT),
        alerts=(),
    )
    room = RoomRunbook("toy", overview, CASES, (), ())
    made = Ledger(admin, database, Runbooks((room,), real.escalation))
    for number, drill in enumerate((None, None, None, "d-0")):
        zone = ZONES[number % 2]
        practice_id = await make_practice(admin, f"p{number}")
        await admin.execute("update practice set timezone = $2 where id = $1", practice_id, zone)
        credential_id = await admin.fetchval(
            "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
            " secrets, rate_per_s, drill, follows) values ($1, 'toy', 'acme', $2,"
            " 'http://127.0.0.1:1', false, '', 1, $3, $4) returning id",
            practice_id,
            f"e{number}",
            drill,
            number != 2,
        )
        lane_id = await admin.fetchval(
            "insert into lane (practice_id, credential_id, integration, provider, class)"
            " values ($1, $2, 'toy', 'acme', 'bulk') returning id",
            practice_id,
            credential_id,
        )
        made.lanes[credential_id] = (practice_id, lane_id)
    yield made


class Killed(Exception):
    pass


class Mortal:
    """A connection whose process dies before one of its statements."""

    def __init__(self, connection: Any, lives: int) -> None:
        self._connection, self._lives = connection, lives

    def __getattr__(self, name: str) -> Any:
        self._lives -= 1
        if self._lives < 0:
            raise Killed
        return getattr(self._connection, name)


async def _die(ledger: Ledger, random: Random) -> None:
    """A fold that ends between two of its steps."""
    with pytest.raises(Killed):
        async with ledger.database.as_dispatcher() as connection:
            mortal: Any = Mortal(connection, random.randrange(1, 7))
            while True:
                await fold_once(mortal, rules_of(ledger.books), 50)


async def _live(ledger: Ledger, random: Random) -> None:
    """Something happens."""
    *ordinary, drill = ledger.credentials
    credential_id = random.choice(ordinary)
    person = f"p{random.randrange(6)}"
    match random.randrange(10):
        case 0 | 1 | 2:
            took = timedelta(seconds=random.choice([0.05, 1, 4.9, 5, 20, 400]))
            await ledger.put_in(
                credential_id, took=took, person=person, weight=random.randrange(1, 4)
            )
        case 3 | 4 | 5 if ledger.taken:
            end = random.choice(
                [("toy.delivered", "delivered", None), ("toy.bounced", "bounced", None),
                 ("toy.failed", "failed", "toy.busy"), ("toy.failed", "failed", None),
                 ("toy.complained", None, None), ("toy.opened", None, None)]
            )  # fmt: skip
            await ledger.hear(random.choice(ledger.taken), *end)
        case 6:
            case = random.choice(["no_such_person", "ours", "busy"])
            fault = {"no_such_person": "recipient", "ours": "ours", "busy": "theirs"}[case]
            status = random.choice(["refused", "expired", "failed"])
            await ledger.put_in(credential_id, status, case=f"toy.{case}", fault=fault)
        case 7:
            await ledger.put_in(random.choice([credential_id, drill]), drill="d-0")
        case 8:
            await ledger.leave(credential_id, person, random.choice([None, "d-0"]))
        case _:
            await ledger.advance(timedelta(minutes=random.choice([1, 9, 40, 300, 1500])))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rollups_say_what_the_ledger_says(ledger: Ledger, seed: int) -> None:
    """After late news, drills, and folds that died at any step, they equal a first fold of the
    same ledger, and rates put together of them equal rates counted from the ledger alone."""
    random = Random(seed)
    for number in range(160):
        await _live(ledger, random)
        if number % 9 == 4:
            await ledger.folder.tick()
        if number % 23 == 11:
            await _die(ledger, random)
    await ledger.advance(timedelta(minutes=16))
    await ledger.folder.tick()
    folded = await ledger.rows()
    assert folded["rollup_platform"] and folded["rollup_day"] and folded["reached"]
    assert sum(row["delivered"] for row in folded["rollup_day"]) > 3

    overview = ledger.books.rooms[0].overview
    together = [await ledger.rates(overview, pooled=pooled) for pooled in (False, True)]
    assert await ledger.fold_anew() == folded
    await ledger.admin.execute("update rollup_state set folded_until = null")
    for rates, pooled in zip(together, (False, True), strict=True):
        _agree(rates, await ledger.rates(overview, pooled=pooled))


def _agree(rates: Rates, counted: Rates) -> None:
    assert rates.counts.keys() == counted.counts.keys()
    for key, counts in counted.counts.items():
        mine = rates.counts[key]
        assert replace(mine, send=None, way=None) == replace(counts, send=None, way=None), key
        for ours, theirs in ((mine.send, counts.send), (mine.way, counts.way)):
            assert (ours is None) == (theirs is None)
            if ours and theirs:
                assert (ours.n, ours.prompt) == (theirs.n, theirs.prompt)
                assert ours.average == pytest.approx(theirs.average)
    for key, readings in counted.readings.items():
        for ours_read, theirs_read in zip(rates.readings[key], readings, strict=True):
            assert (ours_read.hits, ours_read.n) == (theirs_read.hits, theirs_read.n), key
            assert ours_read.codes == theirs_read.codes
            assert ours_read.first_bad_at == theirs_read.first_bad_at


async def test_what_is_committed_late_is_found(ledger: Ledger, admin_url: str) -> None:
    """A transaction may end after lines that were written later have been read."""
    credential_id = ledger.credentials[0]
    delivery_id = await ledger.put_in(credential_id)
    await ledger.advance(timedelta(hours=1))
    await ledger.folder.tick()
    other = await asyncpg.connect(admin_url, server_settings={"search_path": "app, public"})
    try:
        late = other.transaction()
        await late.start()
        await Ledger(other, ledger.database, ledger.books, ledger.lanes).hear(
            delivery_id, "toy.delivered", "delivered"
        )
        await ledger.put_in(credential_id)
        await ledger.folder.tick()
        await ledger.folder.tick()
        assert await _day(ledger) == (1, 0)
        await late.commit()
    finally:
        await other.close()
    await ledger.folder.tick()
    assert await _day(ledger) == (1, 1)


async def _day(ledger: Ledger) -> tuple[int, int]:
    row = await ledger.admin.fetchrow(
        "select sum(accepted)::int8 as taken, sum(delivered)::int8 as told from rollup_day"
    )
    return (row["taken"], row["told"])


async def test_another_judgement_counts_the_past_anew(ledger: Ledger) -> None:
    """A case that becomes the recipients' own leaves the provider's failures of last week too."""
    await ledger.put_in(ledger.credentials[0], "refused", case="toy.busy", fault="theirs")
    await ledger.advance(timedelta(days=7))
    await ledger.folder.tick()
    judged = "select theirs, recipient from rollup_day where theirs + recipient > 0"
    assert tuple(await ledger.admin.fetchrow(judged)) == (1, 0)
    room = ledger.books.rooms[0]
    other = tuple(
        replace(case, fault=next(c.fault for c in CASES if c.id == "toy.no_such_person"))
        if case.id == "toy.busy"
        else case
        for case in room.cases
    )
    ledger.books = replace(ledger.books, rooms=(replace(room, cases=other),))
    await ledger.folder.tick()
    assert tuple(await ledger.admin.fetchrow(judged)) == (0, 1)


async def test_days_are_the_practices_own(ledger: Ledger) -> None:
    """What New York sends in its evening is still today there, whatever day UTC has."""
    now: datetime = await ledger.admin.fetchval("select app.now()")
    to_evening = now.replace(hour=3, minute=30) + timedelta(days=1) - now
    await ledger.advance(to_evening)
    await ledger.put_in(ledger.credentials[0])
    await ledger.put_in(ledger.credentials[1])
    await ledger.advance(timedelta(hours=1))
    await ledger.folder.tick()
    days = await ledger.admin.fetch(
        "select p.timezone, r.day from rollup_day r join practice p on p.id = r.practice_id"
    )
    utc = (now + to_evening).date()
    assert {row["timezone"]: row["day"] for row in days} == {
        "America/New_York": utc - timedelta(days=1),
        "Asia/Kolkata": utc,
    }


async def test_what_is_old_is_forgotten(ledger: Ledger) -> None:
    """Hours and five minutes go after five weeks, days after three years."""
    await ledger.put_in(ledger.credentials[0])
    await ledger.advance(timedelta(days=1))
    await ledger.folder.tick()
    await ledger.advance(timedelta(days=40))
    await ledger.folder.tick()
    left = {table: len(rows) for table, rows in (await ledger.rows()).items()}
    assert left == {"rollup_hour": 0, "rollup_day": 1, "rollup_platform": 0, "reached": 0}
    await ledger.advance(timedelta(days=1100))
    await ledger.folder.tick()
    assert (await ledger.rows())["rollup_day"] == []


# Spreads ------------------------------------------------------------------------------------


def test_a_percentile_is_within_its_slot() -> None:
    """Of times all over the place, the slots' percentile is no further off than a slot is wide."""
    random = Random(5)
    times = sorted(random.lognormvariate(1, 2) for _ in range(2000))
    spread: dict[int, int] = {}
    for seconds in times:
        spread[slot_of(seconds)] = spread.get(slot_of(seconds), 0) + 1
    for share in (0.5, 0.95):
        said, exact = percentile(spread, share), times[int(share * 2000)]
        assert said is not None
        assert abs(slot_of(said) - slot_of(exact)) <= 1
    assert percentile({}, 0.5) is None
    for edge in (1, 5, 30, 86400):
        assert within(spread, edge) == sum(seconds <= edge for seconds in times)


def test_targets_are_edges() -> None:
    """How many of a span kept to a target is told to the letter."""
    books = load_runbooks(list(discover_rooms().values()), None)
    metrics = [metric for room in books.rooms for metric in room.overview.metrics]
    targets = {m.target for m in metrics if m.unit == "s"} | {
        m.late_after_s for m in metrics if m.late_after_s
    }
    assert targets and targets <= set(EDGES_S)
