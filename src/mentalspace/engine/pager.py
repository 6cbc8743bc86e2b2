"""Sends the pages that incidents have written down, through Apprise."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import apprise

from mentalspace.engine.db import Database
from mentalspace.engine.escalation import escalate
from mentalspace.engine.ledger import record
from mentalspace.engine.log import get_logger
from mentalspace.engine.rate_alerts import rate_text
from mentalspace.engine.runbook import Runbooks

MOST_TRIES = 10
SEND_WITHIN_S = 15.0
LEASE_S = 20.0

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
       i.rule_id, i.integration, i.facts, i.drill, i.ack_due_at
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


@dataclass(frozen=True, slots=True)
class Pager:
    """`urls` are Apprise addresses by target; they are secrets and stay out of every text."""

    database: Database
    runbooks: Runbooks
    urls: Mapping[str, tuple[str, ...]]
    site_url: str

    async def tick(self) -> int:
        """Escalate what is overdue and send what is pending; how many pages went out.

        A page whose channel fails goes again after a while, ten times in all.
        """
        async with self.database.as_dispatcher() as connection:
            await escalate(connection, self.runbooks.escalation)
            taken = await connection.fetch(_TAKE, LEASE_S)
        return sum(await asyncio.gather(*(self._send(row) for row in taken)))

    async def _send(self, row: Any) -> bool:
        error = await self._notify(row)
        async with self.database.as_dispatcher() as connection:
            state = await connection.fetchval(_SETTLE, row["id"], error, MOST_TRIES)
            if state != "pending":
                await self._write_down(connection, row, state)
        if error is not None:
            log.error("page_failed", incident_id=row["incident_id"], target=row["target"])
        return error is None

    async def _write_down(self, connection: Any, row: Any, state: str) -> None:
        await record(
            connection,
            f"page_{state}",
            incident_id=row["incident_id"],
            data={"target": row["target"], "meant": row["meant"], "step": row["step"]},
            actor="pager",
            drill=row["drill"],
        )

    async def _notify(self, row: Any) -> str | None:
        """None when it went out, else why not, without the address."""
        urls = self.urls.get(row["target"], ())
        if not urls:
            return "no address is configured for this target"
        notifier = apprise.Apprise()
        if not all(notifier.add(url) for url in urls):
            return "an address is not one Apprise understands"
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                sent = await notifier.async_notify(
                    title=_title(row),
                    body=page_text(row, self.site_url),
                    notify_type=apprise.NotifyType.FAILURE,
                )
        except TimeoutError:
            return "no answer in time"
        return None if sent else "the channel refused it"


def page_text(row: Any, site_url: str) -> str:
    """What the woken person reads first: whose it is, since when, how many, the first step."""
    facts = row["facts"]
    people = facts.get("failed_recipients", 0)
    so_far = f"{people} {'person' if people == 1 else 'people'} so far"
    if "prometheus_since" in facts and "failed_recipients" not in facts:
        so_far = "Prometheus sees it and names no people"
    whose = {"ours": "Ours", "theirs": "Theirs", "recipient": "The recipient's"}
    lines = [
        f"{whose.get(row['fault'], 'Unclear whose')}; since {row['since']:%Y-%m-%d %H:%M} UTC.",
        f"{rate_text(facts) or so_far}; last good call: {_minute(facts.get('last_good_at'))}.",
        f"First: {facts.get('first_step', 'open the runbook')}.",
        incident_link(site_url, row["incident_id"]),
    ]
    return "\n".join(lines)


def _minute(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else "none yet"


def incident_link(site_url: str, incident_id: UUID) -> str:
    return f"{site_url}/incidents/{incident_id}"


def _title(row: Any) -> str:
    again = f", page {row['step'] + 1}" if row["step"] else ""
    drill = f"DRILL for {row['meant']}: " if row["drill"] else ""
    return f"{drill}{row['severity'].upper()} {row['integration']}: {row['title']}{again}"
