"""What last became of each way to page somebody, and of the call outside that all is well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mentalspace.engine.channel import Outcome
from mentalspace.engine.db import Connection

# The call to the outside is kept as a way is; its address is in the settings alone.
HEARTBEAT, HEARTBEAT_LABEL = "heartbeat", "the call that tells an outside service that all is well"
# Called each minute: one lost call is no news, so many of them are.
HEARTBEAT_PATIENCE = timedelta(minutes=3)

_NOTE = """
insert into page_channel (key, label, sent_at, failing_since, error)
values ($1, $2, case when $3::text is null then app.now() end,
        case when $3::text is not null then app.now() end, $3)
on conflict (key) do update set label = excluded.label, error = excluded.error,
  sent_at = coalesce(excluded.sent_at, page_channel.sent_at),
  failing_since = case when $3::text is not null
    then coalesce(page_channel.failing_since, excluded.failing_since) end
"""


async def note_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Of pages and of tests alike; a way that was left out says nothing of itself."""
    for outcome in outcomes:
        if outcome.state != "left_out":
            channel = outcome.channel
            await connection.execute(_NOTE, channel.key, channel.label, outcome.error)


async def failing_of(connection: Connection, keys: Sequence[str]) -> Mapping[str, datetime]:
    """Those of them that failed when they were last tried, each with since when."""
    rows = await connection.fetch(
        "select key, failing_since from page_channel"
        " where failing_since is not null and key = any ($1)",
        list(keys),
    )
    return {row["key"]: row["failing_since"] for row in rows}


@dataclass(frozen=True, slots=True)
class Outside:
    """What the outside service last answered. `is_set` says whether there is one to call."""

    is_set: bool
    taken_at: datetime | None = None
    failing_since: datetime | None = None
    error: str | None = None
    now: datetime | None = None

    @property
    def is_withheld(self) -> bool:
        """Nothing was wrong with the last call, and it is long ago: it is not made while nobody can
        be paged, or a loop is silent."""
        if self.taken_at is None or self.now is None or self.error is not None:
            return False
        return self.now - self.taken_at > HEARTBEAT_PATIENCE

    @property
    def is_well(self) -> bool:
        return self.taken_at is not None and self.error is None and not self.is_withheld


async def note_heartbeat(connection: Connection, error: str | None) -> None:
    """`error` is None where the outside service took the call; else its answer, without the
    address."""
    await connection.execute(_NOTE, HEARTBEAT, HEARTBEAT_LABEL, error)


async def read_outside(connection: Connection, *, is_set: bool) -> Outside:
    """As on-call. Of a service that is set no more nothing is told."""
    row = await connection.fetchrow(
        "select sent_at, failing_since, error, app.now() as now from page_channel where key = $1",
        HEARTBEAT,
    )
    if row is None or not is_set:
        return Outside(is_set)
    return Outside(is_set, row["sent_at"], row["failing_since"], row["error"], row["now"])
