"""What last became of each way to page somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mentalspace.engine.channel import Outcome
from mentalspace.engine.db import Connection

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
