"""Inbound webhooks: verified, written down once, answered; then applied in their own time."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.engine.correlation import (
    following,
    note_written,
    request_at_hand,
    traceparent_at_hand,
)
from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.events import Reactor, apply_event
from mentalspace.engine.log import get_logger
from mentalspace.engine.reception import Hook, NoSuchEndpoint, Reception, Taken
from mentalspace.engine.secrets import Vault
from mentalspace.engine.suppression import list_recipient, unlist_recipient
from mentalspace.engine.together import Together
from mentalspace.kernel.clock import Clock
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.event import Event, Incoming, ListChange
from mentalspace.kernel.ids import new_traceparent
from mentalspace.kernel.integration import Integration

# An event may overtake the commit that names its message: ask again for about ten minutes.
MOST_TRIES = 12
_BATCH = 50
_NOT_OURS = "speaks of a message that is not ours"

log = get_logger(__name__)

_ENDPOINT_NAME = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_TAKE = """
select id, credential_id, integration, provider, payload, query, tries, drill, traceparent,
       request_id from inbox
 where state = 'received' and next_try_at <= app.now()
 order by received_at limit $1 for update skip locked
"""
_CLOSE = """
update inbox set state = 'processed', processed_at = app.now(), tries = tries + 1,
       dated_at = said.dated_at
  from unnest($1::uuid[], $2::timestamptz[]) as said (id, dated_at) where inbox.id = said.id
"""
_ASK_ANEW = """
update inbox set state = 'received', tries = 0, next_try_at = app.now(), held_reason = null
 where id in (
  select id from inbox where credential_id = $1 and received_at > app.now() - $3 * interval '1 h'
     and state <> 'processed'
     and (state = 'received' and tries > 0 or state = 'held' and held_reason = $2)
   limit 500 for update skip locked)
"""
# An outcome is not unknown for longer: providers forget a key after a day.
_UNKNOWN_AT_MOST_H = 25


@dataclass(frozen=True, slots=True)
class Heard:
    """A message to us, and which of a practice's credentials it came by."""

    practice_id: UUID
    credential_id: UUID
    integration: str
    message: Incoming
    drill: str | None


Said: TypeAlias = Event | Incoming | ListChange
# Takes in what somebody wrote, in the inbox's transaction; what it raises is tried again.
Hear = Callable[[Connection, Heard], Awaitable[None]]


async def nobody_listens(_connection: Connection, _heard: Heard) -> None:
    """Where nothing takes messages in, each is kept for a person."""
    raise WebhookRefused("nobody_listens", "nothing here reads messages from people")


@dataclass(frozen=True, slots=True)
class Inbox:
    database: Database
    vault: Vault
    rooms: Mapping[str, Integration]
    clock: Clock
    reactor: Reactor
    hear: Hear
    site_url: str
    _together: Together[Hook, Taken] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        reception = Reception(self.database, self.vault, self.rooms, self.clock, self.site_url)
        object.__setattr__(self, "_together", Together(reception.keep))

    async def receive(
        self, room: str, endpoint: str, raw: bytes, headers: Mapping[str, str], query: str = ""
    ) -> Taken:
        """Verify and keep one webhook, unless it was here already.

        Raises NoSuchEndpoint or WebhookRefused. When this returns, it is on disk.
        """
        if room not in self.rooms or not _ENDPOINT_NAME.fullmatch(endpoint):
            raise NoSuchEndpoint("no_such_endpoint", "there is no such webhook endpoint")
        taken = await self._together(
            Hook(room, endpoint, raw, headers, query, traceparent_at_hand(), request_at_hand())
        )
        if taken.is_new:
            note_written()
        return taken

    async def process(self, payload: str) -> None:
        """Answer one wake-up: apply what this practice's inbox holds."""
        practice_id = UUID(payload)
        while await self._process_batch(practice_id) == _BATCH:
            pass

    async def _process_batch(self, practice_id: UUID) -> int:
        """Apply some. Together, as long as nothing is wrong with any of them; else one by one, so
        that whatever is wrong with one stays its own."""
        try:
            async with self.database.as_worker(practice_id) as connection:
                rows = await connection.fetch(_TAKE, _BATCH)
                applied: dict[UUID, datetime | None] = {}
                for row in rows:
                    said = self._parse(practice_id, row)
                    if await self._apply_all(connection, practice_id, row, said):
                        applied[row["id"]] = _dated(said)
                await _close(connection, applied)
                for row in rows:
                    if row["id"] not in applied:
                        await _again(connection, row, _NOT_OURS)
                return len(rows)
        except CONNECTION_LOST:
            raise
        except Exception as error:
            log.warning("events_one_by_one", error=type(error).__name__)
        async with self.database.as_worker(practice_id) as connection:
            rows = await connection.fetch(_TAKE, _BATCH)
            for row in rows:
                await self._process_one(connection, practice_id, row)
            return len(rows)

    async def _process_one(self, connection: Connection, practice_id: UUID, row: Any) -> None:
        """Apply one event. Whatever is wrong with it stays its own: the others go on."""
        with following(row["traceparent"] or new_traceparent(), row["request_id"]):
            await self._apply_or_hold(connection, practice_id, row)

    async def _apply_or_hold(self, connection: Connection, practice_id: UUID, row: Any) -> None:
        try:
            async with connection.transaction():
                said = self._parse(practice_id, row)
                if await self._apply_all(connection, practice_id, row, said):
                    await _close(connection, {row["id"]: _dated(said)})
                else:
                    await _again(connection, row, _NOT_OURS)
        except WebhookRefused as error:
            await _hold(connection, row["id"], f"cannot be read: {error.code}")
        except CONNECTION_LOST:
            raise
        except Exception as error:
            log.error("event_not_applied", inbox_id=row["id"], error=type(error).__name__)
            await _again(connection, row, f"cannot be applied: {type(error).__name__}")

    def _parse(self, practice_id: UUID, row: Any) -> Sequence[Said]:
        raw = self.vault.open(practice_id, "inbox", row["payload"])
        parse = self.rooms[row["integration"]].provider(row["provider"]).parse_webhook
        assert parse is not None  # what came in was verified by the same provider
        return parse(raw, row["query"])

    async def _apply_all(
        self, connection: Connection, practice_id: UUID, row: Any, said: Sequence[Said]
    ) -> bool:
        return all([await self._apply(connection, practice_id, row, one) for one in said])

    async def _apply(
        self,
        connection: Connection,
        practice_id: UUID,
        row: Any,
        said: Said,
    ) -> bool:
        if isinstance(said, Event):
            return await apply_event(
                connection,
                practice_id,
                row["credential_id"],
                said,
                row["drill"],
                self.reactor,
                request_id=row["request_id"],
            )
        if isinstance(said, Incoming):
            credential_id, room, drill = row["credential_id"], row["integration"], row["drill"]
            await self.hear(connection, Heard(practice_id, credential_id, room, said, drill))
            return True
        change = list_recipient if said.listed else unlist_recipient
        recipient_key = self.vault.recipient_key(practice_id, said.recipient.reveal())
        await change(connection, practice_id, row["integration"], recipient_key)
        return True


async def ask_anew(connection: Connection, credential_id: UUID) -> None:
    """Events that named a message nobody knew may name the one that just became known.

    An outcome may be unknown for longer than an event is asked about: the provider is down, or
    its breaker open.
    """
    await connection.execute(_ASK_ANEW, credential_id, _NOT_OURS, _UNKNOWN_AT_MOST_H)


def _dated(said: Sequence[Said]) -> datetime | None:
    """When the first of it happened, as its provider dates it."""
    dates = [one.dated_at for one in said if isinstance(one, Event) and one.dated_at is not None]
    return min(dates, default=None)


async def _close(connection: Connection, applied: Mapping[UUID, datetime | None]) -> None:
    """By inbox id, when what it tells happened."""
    if applied:
        await connection.execute(_CLOSE, list(applied), list(applied.values()))


async def _again(connection: Connection, row: Any, reason: str) -> None:
    """Try it later; the last time, hold it for a person."""
    if row["tries"] + 1 >= MOST_TRIES:
        await _hold(connection, row["id"], reason)
        return
    await connection.execute(
        "update inbox set tries = tries + 1,"
        " next_try_at = app.now() + least(120, 0.5 * 2 ^ tries) * interval '1 s' where id = $1",
        row["id"],
    )


async def _hold(connection: Connection, inbox_id: UUID, reason: str) -> None:
    await connection.execute(
        "update inbox set state = 'held', held_reason = $2, tries = tries + 1 where id = $1",
        inbox_id,
        reason,
    )
    log.warning("inbox_held", inbox_id=inbox_id)
