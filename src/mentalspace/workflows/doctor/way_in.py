"""Silent callbacks: whose they are, whether our own door refused any, and is reached at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.called_back import CalledBack, read_called_back
from mentalspace.engine.reach import Reach, reach
from mentalspace.engine.reception import HTTP_OF
from mentalspace.engine.services import Services
from mentalspace.engine.taken import Taken, read_taken
from mentalspace.kernel.checkup import Whose
from mentalspace.kernel.integration import hook_url

_ASKED_WITHIN_S = 20.0
_WITHIN_S = 2.0
# Our door takes what is posted, and says so to whoever asks for anything else.
_NOT_SO = 405

# Each with what was refused within a day, and whether any came in after that.
_READ = """
select c.id, c.integration, c.provider, c.endpoint, c.live, heard.at as heard_at, r.refused, r.code,
       r.since, r.last_at, exists (
         select from credential o
          where o.provider = c.provider and o.id <> c.id and o.live = c.live and o.active
            and o.drill is null and exists (
              select from inbox i where i.credential_id = o.id
                 and i.received_at > app.now() - interval '3 min'
                 and i.received_at > coalesce(heard.at, '-infinity'))) as calls_others
  from credential c
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on true
  left join hook_refusal r on r.credential_id = c.id and r.last_at > app.now() - interval '1 day'
 where c.id = any ($1)
"""
# See engine/silence.py.
_MEANWHILE = (
    "what was taken is asked after by us within a quarter of an hour: send nothing again, and pause"
    " nothing"
)
# What stands between the provider and that address is not seen from here.
_ASKED = "asked just now through its public address (from here, not from outside)"
_DO_NOTHING = "send nothing again, and pause nothing"
_OPEN_IT = (
    "Look at what stands before our own door: the tunnel or proxy, its certificate, and whether the"
    " process behind it lives (mentalspace status). What is sent arrives all the same"
)
_WHY: Mapping[str, str] = {
    "signature": "what signs them is not the secret that is entered here",
    "timestamp": "they are signed for another time",
    "header": "the headers that sign them are missing",
    "body": "they cannot be read",
    "account": "they are signed by another of the provider's accounts",
}


@dataclass(frozen=True, slots=True)
class WayIn:
    """Of a credential that nothing is heard of. `refused` within a day, all for `code`, the last at
    `last_at`; nothing held after them if they are the `latest`. `address` is our `door`'s, and that
    how far we get to it ourselves; `calls_others`, whether others are called back meanwhile;
    `hears`, whether what people write comes in by it as well; `called_back`, whether what is
    overdue is late or missing; `taken`, what became of the last hour's messages."""

    provider: str
    heard_at: datetime | None
    refused: int
    code: str | None
    last_at: datetime | None
    door: Reach
    hears: bool
    called_back: CalledBack | None = None
    calls_others: bool = False
    address: str = ""
    taken: Taken = field(default_factory=Taken)

    @property
    def latest(self) -> bool:
        """What came last was refused."""
        return self.last_at is not None and (self.heard_at is None or self.last_at > self.heard_at)

    @property
    def is_open(self) -> bool:
        return self.door.http == _NOT_SO

    @property
    def whose(self) -> Whose:
        return "ours" if self.latest or not self.is_open else "theirs"

    @property
    def advice(self) -> str | None:
        """None where callbacks are refused: why says what is to be mended."""
        if self.whose == "ours":
            return None if self.latest else _OPEN_IT
        kind = self.called_back.kind if self.called_back else None
        if self.calls_others and kind in (None, "missing"):
            return (
                f"Look at {self.provider}’s dashboard, under the webhooks of this account: whether"
                f" ours is enabled there, with the address {self.address}. Enter it again if not,"
                " and have what could not be delivered replayed"
            )
        return self.called_back.advice if self.called_back else None

    @property
    def words(self) -> str:
        """Sentences, the last without its full stop."""
        said = [self._whose, self._refusals, self._reached, *self._answers]
        if self.called_back is None:
            said.append(_MEANWHILE)
        else:
            said = [self.called_back.words, *said, _DO_NOTHING]
        return ". ".join(f"{one[:1].upper()}{one[1:]}" for one in said)

    @property
    def told(self) -> str:
        """What was seen, and what to do about it."""
        return f"{self.words}. {self.advice}" if self.advice else self.words

    @property
    def _whose(self) -> str:
        if self.latest:
            return f"ours: {self.provider} calls, and our own door refuses it"
        if not self.is_open:
            return "ours: our own door is not reached"
        kind = self.called_back.kind if self.called_back else None
        if kind == "slow":
            return f"theirs: {self.provider} has not done with what it took"
        if self.calls_others and kind != "late":
            return (
                f"this account’s webhook at {self.provider}, it seems: {self.provider} calls others"
                " back, and not this one. What is sent arrives all the same"
            )
        calls = "calls late" if kind == "late" else "does not call"
        return f"theirs, it seems, or the way from them to us: {self.provider} {calls}"

    @property
    def _refusals(self) -> str:
        if not self.refused or self.last_at is None:
            return "our door has refused none of them for a day"
        http = HTTP_OF.get(self.code or "", 503)
        why = _WHY.get(self.code or "", "they cannot be read")
        then = "" if self.latest else ", and has taken others since"
        return (
            f"our door refused {self.refused}, the last at {self.last_at:%H:%M:%S} UTC with {http}"
            f" ({self.code}): {why}{then}"
        )

    @property
    def _reached(self) -> str:
        if self.is_open:
            return f"{_ASKED}, our door answers"
        if self.door.http is not None:
            return f"{_ASKED}, {self.door.http} is answered where our door is"
        return f"{_ASKED}, our door does not answer: {self.door.why}"

    @property
    def _answers(self) -> Sequence[str]:
        if not self.hears:
            return ()
        if self.called_back is not None and self.called_back.kind == "late":
            return ("what clients text comes in by the same door: answers and STOP may be as late",)
        last = f"since {self.heard_at:%H:%M:%S} UTC" if self.heard_at else "yet"
        return (
            "what clients text comes in by the same door, and none of it has been heard"
            f" {last}: their answers and STOP are cut off as well",
        )


async def look_at_ways_in(
    services: Services, credential_ids: Sequence[UUID]
) -> Mapping[UUID, WayIn]:
    """By credential, of those that nothing is heard of. Our own door is asked, within two seconds
    and not at every refresh; nothing is posted to it."""
    if not credential_ids:
        return {}
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(_READ, list(credential_ids))
        called_back = await read_called_back(connection, credential_ids)
        recipients = services.runbooks.recipient_cases
        taken = await read_taken(connection, credential_ids, recipients, credential_ids)
    doors = await asyncio.gather(*(_door(services, row) for row in _asked(rows)))
    by_room = dict(zip((_room(row) for row in _asked(rows)), doors, strict=True))
    return {
        id_: replace(
            _way_in(services, row, by_room[_room(row)], called_back.get(id_)),
            taken=taken.get(id_, Taken()),
        )
        for row in rows
        for id_ in (row["id"],)
    }


def _asked(rows: Sequence[Any]) -> list[Any]:
    """One of each room: whatever stands before the door stands before all of them."""
    return list({_room(row): row for row in rows}.values())


def _room(row: Any) -> tuple[str, bool]:
    return row["integration"], row["live"]


async def _door(services: Services, row: Any) -> Reach:
    url = hook_url(services.settings.site_url, row["integration"], row["endpoint"])

    async def ask() -> Reach:
        return await reach(url, live=row["live"], within_s=_WITHIN_S)

    return await services.lately_found.find(("door", url), _ASKED_WITHIN_S, ask)


def _way_in(services: Services, row: Any, door: Reach, called_back: CalledBack | None) -> WayIn:
    provider = services.rooms[row["integration"]].provider(row["provider"])
    return WayIn(
        provider=provider.title,
        heard_at=row["heard_at"],
        refused=row["refused"] or 0,
        code=row["code"],
        last_at=row["last_at"],
        door=door,
        hears=provider.hears,
        called_back=called_back,
        calls_others=row["calls_others"],
        address=hook_url(services.settings.site_url, row["integration"], row["endpoint"]),
    )
