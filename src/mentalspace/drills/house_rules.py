"""Rehearses what the house's own rules watch for: in a transaction that nobody else sees, judged as
the worker judges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from mentalspace.engine.alarm import Alarm, gaps_ahead
from mentalspace.engine.channel import Channel, Outcome, settings_channels
from mentalspace.engine.channel_state import note_outcomes
from mentalspace.engine.db import connect_owner
from mentalspace.engine.ends import End
from mentalspace.engine.house_alert import HOUSE_RULES, hold
from mentalspace.engine.incidents import resolve
from mentalspace.engine.pager import Pager
from mentalspace.engine.restarts import keep_ends, read_restarts
from mentalspace.engine.services import Services
from mentalspace.engine.watchman import restarts_title
from mentalspace.integrations.storage.check import waiting_in_vain
from mentalspace.practice.tenancy import ensure_practice

# What is to be told, by rule and key, and in words.
Told: TypeAlias = Mapping[str, Mapping[str, str]]

BUCKET = "test-documents"
_WAYS = {"oncall": ("json://drill.invalid/1", "json://drill.invalid/2")}
_NO_SCHEDULE = "update oncall_layer set active = false where active"
_NO_COLLEAGUES = "update oncall_person set active = false where active"
_SOMEBODY = "insert into oncall_person (name) values ($1) returning id"
_LAYER = """
insert into oncall_layer (target, name, rank, zone, hand_over, every_days, starts_on, ends_on,
                          people, made_by)
values ('oncall', 'A drill', $1, 'UTC', $2, 7, $3, $4, $5, 'drill')
"""
_NO_OTHER_WAITS = "update storage.scan set trouble = null where trouble is not null"
# What lands waits; see storage_0020.
_DOCUMENT = """
insert into storage.file (practice_id, bucket_id, name, metadata, version)
values ($1, $2, $3, '{"size": 1}', $3)
"""
_WAITS = """
update storage.scan set trouble = 'scanner_away', landed_at = app.now() - $3::interval
 where practice_id = $1 and version = $2
"""
_LOOKED_AT = """
update storage.scan set state = 'clean', trouble = null where practice_id = $1 and version = $2
"""
_OPEN = "select id from incident where drill = $1 and status <> 'resolved'"
_STANDING = """
select rule_id, recovered_at is not null as is_over from incident
 where drill = $1 and status <> 'resolved'
"""


class HouseRules:
    """The trouble is written, judged and taken back in one transaction; what follows from it is an
    incident of the drill's own."""

    closing = "nothing of the trouble was ever kept, and the drill's incidents are closed"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id
        self._name = f"drill-{run_id}"

    async def come(self) -> None:
        """Nothing is needed."""

    async def leave(self) -> None:
        async with self._services.database.as_oncall() as connection:
            for row in await connection.fetch(_OPEN, self._run_id):
                await resolve(connection, row["id"], "drill")

    # The ways to page ----------------------------------------------------------------------------

    async def let_every_way_take_a_page(self) -> str:
        return await self._tell(lambda owner: self._ways(owner, 0))

    async def let_one_way_fail(self) -> str:
        return await self._tell(lambda owner: self._ways(owner, 1))

    async def let_every_way_fail(self) -> str:
        return await self._tell(lambda owner: self._ways(owner, 2))

    async def let_every_way_take_a_page_again(self) -> str:
        return await self._tell(lambda owner: self._ways(owner, 0))

    async def _ways(self, owner: Any, failing: int) -> Told:
        """Of two ways to whoever is on call, so many failed last; there are no others."""
        services = self._services
        await owner.execute(_NO_SCHEDULE)
        await owner.execute(_NO_COLLEAGUES)
        channels = settings_channels("oncall", _WAYS["oncall"])
        await note_outcomes(owner, _outcomes(channels, failing))
        pager = Pager(services.database, services.vault, services.runbooks, _WAYS, "", {})
        ways = await Alarm(services.database, pager).look(owner)
        return {rule: found for rule, (found, _since) in ways.told.items()}

    # The workers ---------------------------------------------------------------------------------

    async def let_a_worker_end_twice(self) -> str:
        return await self._tell(lambda owner: self._ends(owner, (1, 11)))

    async def let_it_end_a_third_time(self) -> str:
        return await self._tell(lambda owner: self._ends(owner, (1, 11, 21)))

    async def let_the_next_one_live_on(self) -> str:
        return await self._tell(lambda owner: self._ends(owner, (161, 171, 181)))

    async def _ends(self, owner: Any, ago_s: Sequence[int]) -> Told:
        now = datetime.now(UTC)
        await keep_ends(
            owner,
            [
                End("worker", self._name, pid, now - timedelta(seconds=ago), 9.0, -9, None)
                for pid, ago in enumerate(ago_s, start=1)
            ],
        )
        found = (await read_restarts(owner)).get(self._name)
        return {"house.restarts": {"worker": restarts_title(found)} if found else {}}

    # The schedule --------------------------------------------------------------------------------

    async def have_somebody_at_every_hour(self) -> str:
        return await self._tell(lambda owner: self._schedule(owner, ends=False))

    async def leave_an_hour_of_tomorrow_to_nobody(self) -> str:
        return await self._tell(lambda owner: self._schedule(owner, ends=True))

    async def let_somebody_have_that_hour(self) -> str:
        return await self._tell(lambda owner: self._schedule(owner, ends=True, below=True))

    async def _schedule(self, owner: Any, *, ends: bool, below: bool = False) -> Told:
        """One layer alone, which ends within the day or never; or another one below it."""
        await owner.execute(_NO_SCHEDULE)
        now: datetime = await owner.fetchval("select app.now()")
        last = now + timedelta(hours=23)
        somebody = [await owner.fetchval(_SOMEBODY, self._name)]
        starts, hand_over = last.date() - timedelta(days=7), last.time().replace(microsecond=0)
        await owner.execute(_LAYER, 1, hand_over, starts, last.date() if ends else None, somebody)
        if below:
            await owner.execute(_LAYER, 2, hand_over, starts, None, somebody)
        return {"house.oncall_gap": await gaps_ahead(owner, now)}

    # The scanner ---------------------------------------------------------------------------------

    async def let_a_document_wait_for_a_moment(self) -> str:
        return await self._tell(lambda owner: self._document(owner, timedelta(minutes=1)))

    async def let_it_wait_for_minutes(self) -> str:
        return await self._tell(lambda owner: self._document(owner, timedelta(minutes=5)))

    async def let_it_be_looked_at(self) -> str:
        return await self._tell(lambda owner: self._document(owner, None))

    async def _document(self, owner: Any, waits: timedelta | None) -> Told:
        """A document of the drills' practice alone waits for so long, or was looked at."""
        practice = await ensure_practice(
            owner, "drill", name="Drills", timezone="UTC", is_drill=True
        )
        await owner.execute(_NO_OTHER_WAITS)
        await owner.execute(_DOCUMENT, practice, BUCKET, self._name)
        if waits is None:
            await owner.execute(_LOOKED_AT, practice, self._name)
        else:
            await owner.execute(_WAITS, practice, self._name, waits)
        return {"house.scanner_away": await waiting_in_vain(owner)}

    # ---------------------------------------------------------------------------------------------

    async def _tell(self, pretend: Callable[[Any], Awaitable[Told]]) -> str:
        """What the worker would tell if it were so; what it tells is the drill's own incident."""
        async with connect_owner(self._services.admin_url) as owner:
            unseen = owner.transaction()
            await unseen.start()
            try:
                told = await pretend(owner)
            finally:
                await unseen.rollback()
        escalation = self._services.runbooks.escalation
        async with self._services.database.as_dispatcher() as connection:
            for rule_id, found in told.items():
                # Never a key of the house's own: that one must be told for itself.
                mine = {f"{self._name}:{key}": title for key, title in found.items()}
                await hold(connection, escalation, rule_id, mine, drill=self._run_id)
        return await self._stands()

    async def _stands(self) -> str:
        async with self._services.database.as_oncall() as connection:
            rows = await connection.fetch(_STANDING, self._run_id)
        firing = sorted(HOUSE_RULES[row["rule_id"]].title for row in rows if not row["is_over"])
        if firing:
            return "; ".join(firing)
        return "looks recovered" if rows else "nothing is told"


def _outcomes(channels: Sequence[Channel], failing: int) -> list[Outcome]:
    return [
        Outcome(channel, "failed", "a drill")
        if number < failing
        else Outcome(channel, "sent", None)
        for number, channel in enumerate(channels)
    ]


Act = Callable[[HouseRules], Awaitable[str]]
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            HouseRules.let_every_way_take_a_page,
            HouseRules.let_one_way_fail,
            HouseRules.let_every_way_fail,
            HouseRules.let_every_way_take_a_page_again,
            HouseRules.let_a_worker_end_twice,
            HouseRules.let_it_end_a_third_time,
            HouseRules.let_the_next_one_live_on,
            HouseRules.have_somebody_at_every_hour,
            HouseRules.leave_an_hour_of_tomorrow_to_nobody,
            HouseRules.let_somebody_have_that_hour,
            HouseRules.let_a_document_wait_for_a_moment,
            HouseRules.let_it_wait_for_minutes,
            HouseRules.let_it_be_looked_at,
        )
    }
)
