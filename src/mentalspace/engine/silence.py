"""Asks after what was accepted and never heard of again: silence is an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.db import Database
from mentalspace.engine.events import Reactor, apply_event
from mentalspace.engine.ledger import record
from mentalspace.engine.limiter import keep_slot, reserve_slot
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.integration import Adapter

# A webhook takes seconds; its retries may take hours. Ask first after this, then ever later.
ASK_AFTER_S = 900.0
# Asked so often without an end state, it is written down as silent, for a person to see.
MOST_QUESTIONS = 5
_BATCH = 10

_SILENT = """
select distinct d.practice_id, d.credential_id, c.follows
  from delivery d join credential c on c.id = d.credential_id
 where d.status = 'accepted' and d.ask_at <= app.now() limit 20
"""
_TAKE = """
update delivery set questions = questions + 1,
       ask_at = case when questions + 1 < $3
                     then app.now() + $2 * 2 ^ (questions + 1) * interval '1 s' end
 where id in (select id from delivery where credential_id = $1 and status = 'accepted'
                and ask_at <= app.now() order by ask_at limit $4 for update skip locked)
returning id, provider_message_id, questions, ask_at is null as last, drill
"""


@dataclass(frozen=True, slots=True)
class SilenceKeeper:
    database: Database
    adapters: Adapters
    reactor: Reactor

    async def tick(self) -> int:
        """Ask after a few of each credential; how many were asked after."""
        async with self.database.as_dispatcher() as connection:
            rows = await connection.fetch(_SILENT)
        return sum([await self._ask(row) for row in rows])

    async def _ask(self, row: Any) -> int:
        practice_id, credential_id = row["practice_id"], row["credential_id"]
        async with self.database.as_worker(practice_id) as connection:
            questions = MOST_QUESTIONS if row["follows"] else 0
            taken = await connection.fetch(_TAKE, credential_id, ASK_AFTER_S, questions, _BATCH)
        if not row["follows"]:
            return 0  # nothing more will be heard, and that is no silence
        adapter = await self.adapters.usable(practice_id, credential_id)
        if adapter is None:
            return 0
        for message in taken:
            await self._ask_after(adapter, practice_id, credential_id, message)
        return len(taken)

    async def _ask_after(
        self, adapter: Adapter, practice_id: UUID, credential_id: UUID, row: Any
    ) -> None:
        await keep_slot(await reserve_slot(self.database, practice_id, credential_id, "bulk"))
        try:
            event = await adapter.look_up(row["provider_message_id"])
        except (ProviderError, Refused):
            event = None  # it is asked again; a provider that is down shows elsewhere
        async with self.database.as_worker(practice_id) as connection:
            if event is not None:
                await apply_event(
                    connection,
                    practice_id,
                    credential_id,
                    event,
                    row["drill"],
                    self.reactor,
                    heard="asked",
                )
            if row["last"] and (event is None or event.status is None):
                await record(
                    connection,
                    "silent",
                    practice_id=practice_id,
                    delivery_id=row["id"],
                    data={"questions": row["questions"]},
                    actor="worker",
                    drill=row["drill"],
                )
