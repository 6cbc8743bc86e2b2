"""Asks after a few messages whose callbacks did not come in their time: it tells late callbacks
from missing ones, and both from messages that are slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.db import Database
from mentalspace.engine.events import Reactor, apply_event
from mentalspace.engine.limiter import keep_slot, reserve_slot
from mentalspace.engine.silence import ASK_AFTER_S
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import Adapter

# Of fifty thousand without a word, a look takes 0.2 s.
LOOK_EVERY_S = 10.0
# Callbacks take seconds. What is asked after costs a request, and what is on its way has time.
OVERDUE_AFTER_S = 120.0
_AT_MOST = 5
_WITHIN_S = 60.0
_KEPT = "interval '1 day'"

# Once each: what stays so is asked after by engine/silence.py, which asks first at `ask_at`. While
# our own inbox is behind, nobody is asked: what is missing may lie there.
_TAKE = f"""
with waiting as (
  select d.id, d.practice_id, d.credential_id,
         row_number() over (partition by d.credential_id order by d.ask_at) as place
    from delivery d
   where d.status = 'accepted' and d.questions = 0
     and d.ask_at between app.now() - $1 * interval '1 s'
                      and app.now() + ($1 - $2) * interval '1 s'
     and not exists (select from callback_question q where q.delivery_id = d.id)
)
insert into callback_question (delivery_id, practice_id, credential_id)
select w.id, w.practice_id, w.credential_id
  from waiting w join credential c on c.id = w.credential_id
 where c.active and c.follows
   and w.place <= {_AT_MOST} - (
     select count(*) from callback_question q where q.credential_id = c.id
        and q.asked_at > app.now() - {_WITHIN_S} * interval '1 s')
   and not exists (
     select from inbox i where i.credential_id = c.id and i.state = 'received' and i.tries = 0
        and i.received_at < app.now() - interval '30 s')
on conflict do nothing
returning delivery_id, practice_id, credential_id
"""
_MESSAGE = "select provider_message_id, drill from delivery where id = $1 and status = 'accepted'"
_KEEP = "update callback_question set answer = $2, ended_at = $3 where delivery_id = $1"
_FORGET = f"delete from callback_question where asked_at < app.now() - {_KEPT}"


@dataclass(frozen=True, slots=True)
class Overdue:
    """Several workers may: each message is taken by one."""

    database: Database
    adapters: Adapters
    reactor: Reactor

    async def tick(self) -> int:
        """Ask after a few of each credential; how many were asked after."""
        async with self.database.as_dispatcher() as connection:
            await connection.execute(_FORGET)
            rows = await connection.fetch(_TAKE, ASK_AFTER_S, OVERDUE_AFTER_S)
        for (practice_id, credential_id), ids in _by_credential(rows).items():
            await self._ask(practice_id, credential_id, ids)
        return len(rows)

    async def _ask(self, practice_id: UUID, credential_id: UUID, ids: Sequence[UUID]) -> None:
        adapter = await self.adapters.usable(practice_id, credential_id)
        if adapter is None:
            return
        for delivery_id in ids:
            await self._ask_after(adapter, practice_id, credential_id, delivery_id)

    async def _ask_after(
        self, adapter: Adapter, practice_id: UUID, credential_id: UUID, delivery_id: UUID
    ) -> None:
        """An answer that ends it is taken as its callback would be; the callback then moves
        nothing."""
        async with self.database.as_worker(practice_id) as connection:
            message = await connection.fetchrow(_MESSAGE, delivery_id)
        if message is None or message["provider_message_id"] is None:
            return  # its callback has come meanwhile
        await keep_slot(await reserve_slot(self.database, practice_id, credential_id, "bulk"))
        event: Event | None = None
        try:
            event = await adapter.look_up(message["provider_message_id"])
            answer = "on_its_way" if event is None or event.status is None else "ended"
        except (ProviderError, Refused):
            answer = "none"
        async with self.database.as_worker(practice_id) as connection:
            await connection.execute(_KEEP, delivery_id, answer, event and event.dated_at)
            if event is not None:
                await apply_event(
                    connection,
                    practice_id,
                    credential_id,
                    event,
                    message["drill"],
                    self.reactor,
                    heard="asked",
                )


def _by_credential(rows: Sequence[Any]) -> Mapping[tuple[UUID, UUID], list[UUID]]:
    found: dict[tuple[UUID, UUID], list[UUID]] = {}
    for row in rows:
        key = (row["practice_id"], row["credential_id"])
        found.setdefault(key, []).append(row["delivery_id"])
    return found
