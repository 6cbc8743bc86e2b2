"""What a provider answers right now: through the credential in trouble, and through others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.outbound import open_client
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.doctor.credentials import ask, finding, unopened
from mentalspace.workflows.doctor.report import RoomFinding

# Whoever reads an incident waits for it.
WITHIN_S = 4.0
MOST_OTHERS = 2

_OWN = """
select id, practice_id, integration, provider, endpoint, live, base_url from credential
 where id = $1 and drill is null
"""
# Whoever had a good answer lately is the best witness.
_OTHERS = """
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.live, c.base_url
  from credential c left join credential_state s on s.credential_id = c.id
 where c.integration = $1 and c.provider = $2 and c.live = $3 and c.active and c.drill is null
   and not c.test_only and c.id <> all ($4)
 order by s.last_good_at desc nulls last, c.id limit $5
"""


@dataclass(frozen=True, slots=True)
class Witness:
    """What was found through the credential itself, and through others."""

    own: RoomFinding
    others: Sequence[RoomFinding]

    @property
    def says(self) -> str:
        """Which way it points, in words; of one credential alone it says what was answered."""
        own, well = self.own.state == "good", [f for f in self.others if f.state == "good"]
        if not self.others:
            return "it answers a harmless question" if own else "it fails a harmless question too"
        if own and len(well) == len(self.others):
            return "it answers everybody: it is over, or it is about what was sent"
        if own:
            return "it answers this credential, and not all of the others"
        if well:
            return "it answers others and not this credential: more likely ours"
        if {self.own.whose, *(each.whose for each in self.others)} == {"ours"}:
            return "it answers, and refuses the others too: see whether they were changed together"
        return "it fails the others too: more likely theirs"


async def ask_around(
    services: Services, credential_id: UUID, known: Sequence[UUID]
) -> Witness | None:
    """One harmless question through it and through up to two that are none of `known`, all at once.
    None where no such credential is."""
    async with services.database.as_oncall() as connection:
        own = await connection.fetchrow(_OWN, credential_id)
        if own is None:
            return None
        others = await connection.fetch(
            _OTHERS, own["integration"], own["provider"], own["live"], list(known), MOST_OTHERS
        )
    async with AsyncExitStack() as stack:
        live = own["live"]
        clients = {live: await stack.enter_async_context(open_client(live=live))}
        adapters = Adapters(
            services.database, services.vault, services.rooms, clients, services.settings.site_url
        )
        found = await asyncio.gather(*(_one(services, adapters, row) for row in (own, *others)))
    return Witness(found[0], found[1:])


async def _one(services: Services, adapters: Adapters, row: Any) -> RoomFinding:
    try:
        async with asyncio.timeout(WITHIN_S):
            adapter = await adapters.usable(row["practice_id"], row["id"])
            return unopened(row) if adapter is None else await ask(services, adapter, row)
    except TimeoutError:
        return finding(row, "provider", "bad", f"no answer within {WITHIN_S:.0f} s", "theirs")
    except Refused as error:
        return finding(row, "provider", "bad", str(error), "ours")
