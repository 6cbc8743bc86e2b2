"""Tells a paging service what became here of what it was paged about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mentalspace.engine.channel import Tell, find_channel
from mentalspace.engine.db import Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.secrets import Vault

# A service that does not take it is asked again after so long, for a day.
AGAIN_AFTER_S = 30.0

log = get_logger(__name__)

_NEWS = """
with news as (
  select s.page_id, s.channel, s.key,
         case i.status when 'resolved' then 'resolve' else 'acknowledge' end as action
    from page_send s join page p on p.id = s.page_id join incident i on i.id = p.incident_id
   where s.kind = 'pagerduty' and s.state = 'sent' and s.told <> 'resolve'
     and s.tell_after <= clock_timestamp()
     and (i.status = 'acknowledged' and s.told = 'trigger'
          or i.status = 'resolved' and i.resolved_at > app.now() - interval '1 day')
   limit 100 for update of s skip locked
), taken as (
  update page_send s set tell_after = clock_timestamp() + $1 * interval '1 s'
    from news n where s.page_id = n.page_id and s.channel = n.channel)
select distinct channel, key, action from news
"""
_TOLD = """
update page_send set told = $3, tell_after = clock_timestamp()
 where channel = $1 and key = $2 and state = 'sent'
"""


async def tell_news(
    database: Database, vault: Vault, urls: Mapping[str, tuple[str, ...]], tell: Tell
) -> int:
    """How much was told. May run anywhere, at any time; the same twice changes nothing there."""
    async with database.as_dispatcher() as connection:
        news = await connection.fetch(_NEWS, AGAIN_AFTER_S)
    return sum([await _tell(database, vault, urls, tell, row) for row in news])


async def _tell(
    database: Database, vault: Vault, urls: Mapping[str, tuple[str, ...]], tell: Tell, row: Any
) -> bool:
    async with database.as_dispatcher() as connection:
        channel = await find_channel(connection, vault, urls, row["channel"])
    # An address that is gone can be told nothing; nobody waits for it.
    error = None if channel is None else await tell(channel, row["key"], row["action"])
    if error is not None:
        log.warning("page_news_not_taken", kind=row["action"])
        return False
    async with database.as_dispatcher() as connection:
        await connection.execute(_TOLD, row["channel"], row["key"], row["action"])
    return channel is not None
