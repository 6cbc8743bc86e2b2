"""Whether the alarm works: it tests itself each day, and says so when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.channel import (
    Channel,
    Message,
    Outcome,
    channels_of,
    settings_channels,
)
from mentalspace.engine.channel_state import (
    HEARTBEAT,
    HEARTBEAT_LABEL,
    HEARTBEAT_PATIENCE,
    failing_of,
    note_outcomes,
)
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.house_alert import hold
from mentalspace.engine.log import get_logger
from mentalspace.engine.oncall import SCHEDULED, read_rota
from mentalspace.engine.pager import Pager
from mentalspace.engine.pulse import LOCKED, bound_waits

TEST_EVERY = timedelta(hours=24)
# A way that failed is tried again by itself, so that what is over does not stand for a day.
AGAIN_AFTER = timedelta(minutes=5)
AGAIN = "a way that failed"
# The first daily test waits until the installation has stood for a while.
FIRST_TEST_AFTER_S = 600.0
# A verdict this old is none: whoever judges has fallen silent.
STALE_AFTER_S = 120.0
GAP_AHEAD = timedelta(hours=24)
MOST_AT_ONCE = 10
MOST_NAMED = 3

log = get_logger(__name__)

_CLAIM = """
update alarm_test set started_at = app.now() where id = (
  select id from alarm_test where started_at is null order by asked_at
   limit 1 for update skip locked)
returning id, asked_by
"""
_ASK_AGAIN = """
insert into alarm_test (asked_by)
select $1 where not exists (select from alarm_test where asked_at > app.now() - $2::interval)
"""
_ASK_DAILY = """
insert into alarm_test (asked_by)
select 'the day' where not exists (
    select from alarm_test where asked_at > app.now() - $1::interval and asked_by <> $3)
   and exists (select from pulse where name = 'page'
                and first_at < clock_timestamp() - $2 * interval '1 s')
"""
DAILY_LOCK = 7_235_661_045


@dataclass(frozen=True, slots=True)
class AlarmState:
    """`nobody` are targets no page reaches, `broken` the ways that failed last. `stale_s` is how
    long nobody has judged, None while somebody does."""

    nobody: tuple[str, ...]
    broken: tuple[str, ...]
    stale_s: float | None

    @property
    def is_well(self) -> bool:
        return not self.nobody and not self.broken and self.stale_s is None

    @property
    def words(self) -> str:
        """One line, the worst first; "ok" if there is nothing to say."""
        if self.stale_s is not None:
            minutes = int(self.stale_s // 60)
            return (
                f"Nobody can be paged: the worker, which pages, has been silent for {minutes} min"
            )
        if self.nobody:
            ways = f" ({_some(self.broken)})" if self.broken else " (no way to page is known)"
            return f"Nobody can be paged: {', '.join(self.nobody)}{ways}"
        if self.broken:
            return f"A way to page does not work: {_some(self.broken)}"
        return "ok"


def _some(ways: Sequence[str]) -> str:
    """The first few: On call has them all."""
    more = f"; and {len(ways) - MOST_NAMED} more" if len(ways) > MOST_NAMED else ""
    return f"{'; '.join(ways[:MOST_NAMED])}{more}"


async def read_alarm(connection: Connection) -> AlarmState:
    """The last verdict; whoever works here may read it."""
    row = await connection.fetchrow(
        "select nobody, broken, extract(epoch from clock_timestamp() - checked_at)::float8 as age_s"
        " from alarm_state"
    )
    if row is None:
        return AlarmState((), (), None)
    stale = row["age_s"] if row["age_s"] is not None and row["age_s"] > STALE_AFTER_S else None
    return AlarmState(tuple(row["nobody"]), tuple(row["broken"]), stale)


async def ask_test(connection: Connection, actor: str) -> UUID:
    """Have the pager test every way; its id, by which the result is read."""
    test_id: UUID = await connection.fetchval(
        "insert into alarm_test (asked_by) values ($1) returning id", actor
    )
    return test_id


async def last_test(connection: Connection, test_id: UUID | None = None) -> Any | None:
    """The latest test, or the one of that id."""
    return await connection.fetchrow(
        "select id, asked_at, asked_by, started_at, finished_at, passed, results from alarm_test"
        " where $1::uuid is null or id = $1 order by asked_at desc limit 1",
        test_id,
    )


@dataclass(frozen=True, slots=True)
class Ways:
    """`failing` is since when each way that failed last has, the first one first; `outside` since
    when nobody outside hears. `broken` names all of them."""

    failing: tuple[datetime, ...]
    outside: datetime | None
    broken: tuple[str, ...]
    nobody: tuple[str, ...]
    now: datetime

    @property
    def told(self) -> Mapping[str, tuple[Mapping[str, str], datetime]]:
        """By rule, what is to be told and since when. One incident each: what carries several ways
        fails for all of them at once."""
        outside = [self.outside] if self.outside else []
        began = min([*self.failing, *outside], default=self.now)
        unreached = {"any": f"Nobody can be paged: {', '.join(self.nobody)}"} if self.nobody else {}
        failed = {"any": f"A way to page does not work: {_some(self.broken)}"}
        # Ways fail one by one: with the last of them nobody is reached any more.
        return {
            "house.nobody_paged": (unreached, max(self.failing, default=self.now)),
            "house.channel_fails": (failed if self.broken else {}, began),
        }


@dataclass(frozen=True, slots=True)
class Alarm:
    """Runs beside the pager and through it. `calls_outside` says whether a service is called each
    minute that all is well."""

    database: Database
    pager: Pager
    calls_outside: bool = False

    async def tick(self) -> None:
        """Do the test that is asked for or due, and judge what is known of every way."""
        try:
            async with self.database.as_dispatcher() as connection:
                if await connection.fetchval("select pg_try_advisory_xact_lock($1)", DAILY_LOCK):
                    await bound_waits(connection)
                    await connection.execute(_ASK_DAILY, TEST_EVERY, FIRST_TEST_AFTER_S, AGAIN)
                asked = await connection.fetchrow(_CLAIM)
        except LOCKED as error:
            # Whether the day asks is read from a pulse; the verdict needs none.
            log.error("alarm_test_not_asked", error=type(error).__name__)
            asked = None
        if asked is not None:
            await self.test(asked["id"], failing_only=asked["asked_by"] == AGAIN)
        await self.judge()

    async def test(self, test_id: UUID, *, failing_only: bool = False) -> bool:
        """A test page through every way there is, or those alone that failed last; whether all took
        it."""
        async with self.database.as_dispatcher() as connection:
            channels = await self._channels(connection)
            if failing_only:
                failing = await failing_of(connection, [channel.key for channel in channels])
                channels = [channel for channel in channels if channel.key in failing]
            now = await connection.fetchval("select app.now()")
        outcomes = await self._try_all(channels, self._test_page(test_id, now))
        # A way that has taken a page meanwhile leaves nothing to try again.
        passed = bool(outcomes or failing_only) and all(
            outcome.state == "sent" for outcome in outcomes
        )
        async with self.database.as_dispatcher() as connection:
            await note_outcomes(connection, outcomes)
            await connection.execute(
                "update alarm_test set finished_at = app.now(), passed = $2, results = $3"
                " where id = $1",
                test_id,
                passed,
                [_told(outcome) for outcome in outcomes],
            )
        if not passed:
            log.error("alarm_test_failed", count=sum(o.state != "sent" for o in outcomes))
        return passed

    async def judge(self) -> None:
        """Write the verdict down, and open or end the incidents that follow from it."""
        escalation = self.pager.runbooks.escalation
        async with self.database.as_dispatcher() as connection:
            ways = await self.look(connection)
            if ways.failing:
                await connection.execute(_ASK_AGAIN, AGAIN, AGAIN_AFTER)
            await connection.execute(
                "update alarm_state set nobody = $1, broken = $2, checked_at = clock_timestamp()",
                ways.nobody,
                ways.broken,
            )
            for rule_id, (found, since) in ways.told.items():
                await hold(connection, escalation, rule_id, found, since={"any": since})
            gaps = await gaps_ahead(connection, ways.now)
            await hold(connection, escalation, "house.oncall_gap", gaps)

    async def look(self, connection: Connection) -> Ways:
        """How every way stands; nothing is written down."""
        now: datetime = await connection.fetchval("select app.now()")
        channels = {c.key: c.label for c in await self._channels(connection)}
        failing = await failing_of(connection, list(channels))
        outside = await self._outside_fails(connection, now)
        broken = [*(channels[key] for key in failing), *([HEARTBEAT_LABEL] if outside else [])]
        return Ways(
            failing=tuple(sorted(failing.values())),
            outside=outside,
            broken=tuple(sorted(broken)),
            nobody=tuple(await self._unreached(connection, set(failing), now)),
            now=now,
        )

    async def _channels(self, connection: Connection) -> list[Channel]:
        """Every way to every person and every address of the settings but the drills'."""
        given = [
            channel
            for target, urls in self.pager.urls.items()
            if target != "drill"
            for channel in settings_channels(target, urls)
        ]
        rows = await connection.fetch("select id from oncall_person where active order by name")
        ways = [await channels_of(connection, self.pager.vault, row["id"]) for row in rows]
        return [*given, *(channel for each in ways for channel in each)]

    async def _outside_fails(self, connection: Connection, now: datetime) -> datetime | None:
        """Since when no call has reached the outside service, once that is more than a hiccup."""
        if not self.calls_outside:
            return None
        since = (await failing_of(connection, [HEARTBEAT])).get(HEARTBEAT)
        return since if since is not None and now - since >= HEARTBEAT_PATIENCE else None

    async def _unreached(
        self, connection: Connection, failing: set[str], at: datetime
    ) -> list[str]:
        """Targets whose every way failed last. One that has no way at all counts for the on-call
        engineer alone: the others are asked for before going live."""
        found = []
        for target in ("oncall", "cto", "assigned", "tickets"):
            recipients = await self.pager.recipients(connection, target, at, depth=1, again=False)
            keys: set[str] = set().union(*(each.keys for each in recipients))
            if keys <= failing and (keys or target == "oncall"):
                found.append(target)
        return found

    async def _try_all(self, channels: Sequence[Channel], page: Message) -> list[Outcome]:
        turn = asyncio.Semaphore(MOST_AT_ONCE)

        async def one(channel: Channel) -> Outcome:
            async with turn:
                return await self.pager.try_way(channel, page)

        return list(await asyncio.gather(*(one(channel) for channel in channels)))

    def _test_page(self, test_id: UUID, now: datetime) -> Message:
        return Message(
            title="TEST of the alarm: nothing is wrong",
            lines=("If you read this, pages reach you this way.", "There is nothing to do."),
            link=f"{self.pager.site_url}/on-call",
            key=f"mentalspace/test/{test_id}",
            severity="low",
            integration="house",
            since=now,
            is_test=True,
        )


async def gaps_ahead(connection: Connection, now: datetime) -> dict[str, str]:
    """Targets of the schedule that have nobody now, or will not within a day."""
    rota = await read_rota(connection, now)
    found = {}
    for target in SCHEDULED:
        for start, _end in rota.gaps(target, now, now + GAP_AHEAD)[:1]:
            when = "now" if start <= now else f"from {start:%a %H:%M} UTC"
            found[target] = f"Nobody is on call for {target} {when}"
    return found


def _told(outcome: Outcome) -> dict[str, Any]:
    return {"way": outcome.channel.label, "ok": outcome.state == "sent", "error": outcome.error}
