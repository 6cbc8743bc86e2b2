"""Sends the pages that incidents have written down to whoever is on call, by a way that works."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.acknowledged import settle_owed
from mentalspace.engine.channel import (
    Channel,
    Message,
    Outcome,
    Senders,
    Tell,
    channels_of,
    settings_channels,
)
from mentalspace.engine.channel_state import note_outcomes
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.escalation import escalate
from mentalspace.engine.ledger import record
from mentalspace.engine.log import get_logger
from mentalspace.engine.oncall import read_rota
from mentalspace.engine.page_news import tell_news
from mentalspace.engine.page_words import message_of
from mentalspace.engine.pulse import bound_waits
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.secrets import Vault

# Before the id of somebody in a target.
PERSON = "person:"
MOST_TRIES = 10
SEND_WITHIN_S = 15.0
# One page may go through several ways, each within its time.
LEASE_S = 60.0

log = get_logger(__name__)

# Taking a page leases it, so that two pagers do not both wake somebody; a pager that dies with
# it in hand only delays it.
_TAKE = """
with taken as (
  update page set tries = tries + 1, next_try_at = clock_timestamp() + $1 * interval '1 s'
   where id in (select id from page where state = 'pending' and next_try_at <= clock_timestamp()
                 order by created_at limit 20 for update skip locked)
  returning id, incident_id, target, meant, step)
select t.id, t.incident_id, t.target, t.meant, t.step, i.title, i.severity, i.fault, i.since,
       i.rule_id, i.integration, i.facts, i.drill, i.rounds, app.now() as now
  from taken t join incident i on i.id = t.incident_id
"""
_SETTLE = """
update page set error = $2,
       state = case when $2::text is null then 'sent' when tries >= $3 then 'failed'
                    else 'pending' end,
       sent_at = case when $2::text is null then app.now() end,
       next_try_at = clock_timestamp() + least(60, 2 ^ tries) * interval '1 s'
 where id = $1 returning state
"""
_NOTE = """
insert into page_send (page_id, channel, kind, label, person_id, state, error, key)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (page_id, channel) do update set state = excluded.state, error = excluded.error,
  tries = page_send.tries + 1, at = excluded.at
 where page_send.state <> 'sent'
"""
# A room that an incident is open about does not carry the pages about anything, until it is well.
_BROKEN = """
select distinct integration from incident
 where status <> 'resolved' and recovered_at is null and severity in ('critical', 'high')
   and drill is not distinct from $1
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to wake, or a target's addresses. `every` way is used, or the first that works;
    where none does, each `last_resort`."""

    channels: tuple[Channel, ...]
    every: bool
    last_resort: tuple[Channel, ...] = ()

    @property
    def keys(self) -> set[str]:
        return {channel.key for channel in (*self.channels, *self.last_resort)}


@dataclass(frozen=True, slots=True)
class Pager:
    """`urls` are the settings' addresses by target: for whoever the schedule has nobody."""

    database: Database
    vault: Vault
    runbooks: Runbooks
    urls: Mapping[str, tuple[str, ...]]
    site_url: str
    senders: Senders
    tell: Tell | None = None

    async def tick(self) -> int:
        """Escalate what is overdue and send what is pending; how many pages went out.

        A page that no way takes goes again after a while, ten times in all.
        """
        await settle_owed(self.database)
        async with self.database.as_dispatcher() as connection:
            # Who waited in a lock would page, once it is gone, for what was taken meanwhile.
            await bound_waits(connection)
            await escalate(connection, self.runbooks.escalation)
            taken = await connection.fetch(_TAKE, LEASE_S)
        sent = sum(await asyncio.gather(*(self._send(row) for row in taken)))
        if self.tell is not None:
            await tell_news(self.database, self.vault, self.urls, self.tell)
        return sent

    async def _send(self, row: Any) -> bool:
        waiting, broken = await self._prepare(row)
        message = message_of(row, self.site_url)
        told = await asyncio.gather(*(self._reach(each, message, broken) for each in waiting or ()))
        outcomes = [outcome for each in told for outcome in each]
        error = _error(waiting, outcomes)
        async with self.database.as_dispatcher() as connection:
            await self._note(connection, row["id"], message.key, outcomes)
            await note_outcomes(connection, outcomes)
            state = await connection.fetchval(_SETTLE, row["id"], error, MOST_TRIES)
            if state != "pending":
                await self._write_down(connection, row, state)
        if error is not None:
            log.error("page_failed", incident_id=row["incident_id"], target=row["target"])
        return error is None

    async def _prepare(self, row: Any) -> tuple[Sequence[Recipient] | None, frozenset[str]]:
        """Who is still to be told, None if the page is for nobody at all, and the rooms that are
        out. Whom an earlier try reached is not woken by this one."""
        async with self.database.as_dispatcher() as connection:
            recipients = await self.recipients(
                connection,
                row["target"],
                row["now"],
                depth=row["step"] + 1,
                again=bool(row["step"]),
            )
            broken = {r["integration"] for r in await connection.fetch(_BROKEN, row["drill"])}
            sent = {
                r["channel"]
                for r in await connection.fetch(
                    "select channel from page_send where page_id = $1 and state = 'sent'", row["id"]
                )
            }
        waiting = [each for each in recipients if not sent & each.keys]
        return waiting if recipients else None, frozenset({*broken, row["integration"]})

    async def recipients(
        self, connection: Connection, target: str, at: datetime, *, depth: int, again: bool
    ) -> list[Recipient]:
        """Of the first `depth` layers whoever has the target then, and can be reached; else, and if
        none of their ways works, the settings' addresses. The first page goes the first way that
        works, one sent `again` every way: the first did not wake anybody. A target that names a
        colleague is theirs, whatever the schedule says."""
        if target.startswith(PERSON):
            ways = await channels_of(connection, self.vault, UUID(target.removeprefix(PERSON)))
            return [Recipient(tuple(ways), again)] if ways else []
        rota = await read_rota(connection, at)
        given = tuple(settings_channels(target, self.urls.get(target, ())))
        found: list[Recipient] = []
        for person in rota.on_call(target, at, depth):
            if theirs := await channels_of(connection, self.vault, person):
                found.append(Recipient(tuple(theirs), again, () if found else given))
        return found or ([Recipient(given, True)] if given else [])

    async def _reach(
        self, recipient: Recipient, message: Message, broken: frozenset[str]
    ) -> list[Outcome]:
        if recipient.every:
            outcomes = await self._try_all(recipient.channels, message, broken)
        else:
            outcomes = []
            for channel in recipient.channels:
                outcomes.append(await self.try_way(channel, message, broken))
                if outcomes[-1].state == "sent":
                    break
        if not any(outcome.state == "sent" for outcome in outcomes):
            outcomes += await self._try_all(recipient.last_resort, message, broken)
        return outcomes

    async def _try_all(
        self, channels: Sequence[Channel], message: Message, broken: frozenset[str]
    ) -> list[Outcome]:
        return list(await asyncio.gather(*(self.try_way(c, message, broken) for c in channels)))

    async def try_way(
        self, channel: Channel, message: Message, broken: frozenset[str] = frozenset()
    ) -> Outcome:
        """One message through one channel; whatever goes wrong is an outcome."""
        if channel.kind in broken:
            return Outcome(channel, "left_out", "this room is what broke")
        send = self.senders.get(channel.kind)
        if send is None:
            return Outcome(channel, "failed", "this installation does not send this way")
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                error = await send(channel, message)
        except TimeoutError:
            error = "no answer in time"
        except Exception as failure:  # an address, perhaps, is in its text
            error = f"it could not be sent: {type(failure).__name__}"
        return Outcome(channel, "sent" if error is None else "failed", error)

    async def _note(
        self, connection: Any, page_id: UUID, key: str, outcomes: Sequence[Outcome]
    ) -> None:
        for outcome in outcomes:
            channel = outcome.channel
            await connection.execute(
                _NOTE,
                page_id,
                channel.key,
                channel.kind,
                channel.label,
                channel.person_id,
                outcome.state,
                outcome.error,
                key,
            )

    async def _write_down(self, connection: Any, row: Any, state: str) -> None:
        await record(
            connection,
            f"page_{state}",
            incident_id=row["incident_id"],
            data={"target": row["target"], "meant": row["meant"], "step": row["step"]},
            actor="pager",
            drill=row["drill"],
        )


def _error(waiting: Sequence[Recipient] | None, outcomes: Sequence[Outcome]) -> str | None:
    """None once everybody has it by one way at least; else why not."""
    if waiting is None:
        return "no address is configured for this target"
    sent = {o.channel.key for o in outcomes if o.state == "sent"}
    left = [each for each in waiting if not sent & each.keys]
    if not left:
        return None
    keys = set().union(*(each.keys for each in left))
    reasons = [f"{o.channel.label}: {o.error}" for o in outcomes if o.channel.key in keys]
    return "; ".join(dict.fromkeys(reasons))
