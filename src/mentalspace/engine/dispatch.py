"""Asks the clock what is due and wakes one worker per lane. Nobody else enqueues.

Every statement here may run in several processes at once: rows are taken with SKIP LOCKED and
a wake-up's key keeps at most one of it waiting.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mentalspace.engine.agreement import resume_agreed
from mentalspace.engine.db import Connection, Database
from mentalspace.engine.failover import fail_over
from mentalspace.engine.ledger import leave_attempts, record, record_all
from mentalspace.engine.log import get_logger
from mentalspace.engine.process import DEAD_AFTER_S
from mentalspace.engine.queue import Queue, WakeUp
from mentalspace.engine.unknown import show_unknown

# A claim this old is nobody's, however its worker feels: attempts end long before.
LONGEST_CLAIM_S = 180.0
PRIORITY = {"interactive": 10, "bulk": 0}
PAYLOAD_RETENTION_DAYS = 30
# Forgotten in one transaction, and transactions at a stretch: fourteen million a day.
PURGED_AT_ONCE = 500
_MOST_PURGES = 200

log = get_logger(__name__)

_LOST_CLAIMS = """
select d.id, d.practice_id, d.drill
  from delivery d left join heartbeat h on h.process = d.claimed_by
 where d.status = 'sending'
   and (h.process is null or h.beat_at < clock_timestamp() - $1 * interval '1 s'
        or d.claimed_at < clock_timestamp() - $2 * interval '1 s')
   -- after a restart nobody's heart has beaten for a while; the living get time to
   and pg_postmaster_start_time() < clock_timestamp() - $1 * interval '1 s'
 limit 1000 for update of d skip locked
"""
_TAKE_BACK = """
update delivery set status = case when id = any ($2) then 'unknown' else 'due' end,
  claimed_by = null, claim_token = null, claimed_at = null, next_attempt_at = app.now()
 where id = any ($1)
"""
_EXPIRE = """
update delivery set status = 'expired' where id in (
  select id from delivery where status in ('pending', 'due') and expires_at <= app.now()
   order by expires_at limit 500 for update skip locked)
returning id, practice_id, drill
"""
_MARK_DUE = """
update delivery set status = 'due' where id in (
  select d.id from delivery d join lane l on l.id = d.lane_id
   where d.status = 'pending' and d.next_attempt_at <= app.now()
     and (l.state = 'open' or l.paused_for_phi and not d.carries_phi) and l.class = $1
   order by d.next_attempt_at limit 1000 for update of d skip locked)
"""
_RESUME = """
update lane set state = 'open', paused_until = null, paused_case = null, paused_by = null,
                paused_at = null, paused_for_phi = false
 where state = 'paused' and paused_until <= app.now() returning id, practice_id
"""
_WAKE = """
select l.id, l.practice_id, l.class from lane l
  join credential c on c.id = l.credential_id
  join credential_state s on s.credential_id = l.credential_id
 cross join lateral (
   select from delivery d
    where d.lane_id = l.id and d.status in ('due', 'unknown') and d.next_attempt_at <= app.now()
      and (l.state = 'open' or not d.carries_phi)
    limit 1) ready
 where (l.state = 'open' or l.paused_for_phi) and c.active
   and case when s.override_until > app.now() then s.override_state = 'closed'
            else s.breaker = 'closed' or s.open_until <= clock_timestamp() end
"""
_INBOX = (
    "select distinct practice_id from inbox where state = 'received' and next_try_at <= app.now()"
)
# From where the last purge came to, by index: a ledger of years is not searched for a few. The hour
# is for what was still being written then.
_PURGE = """
with span as materialized (
  select upto - interval '1 hour' as since, app.now() - $1 * interval '1 day' as until
    from app.purge_mark
), found as materialized (
  select d.id from span cross join credential c cross join lateral (
    select id from delivery
     where credential_id = c.id and ended_at > span.since and ended_at <= span.until
       and purged_at is null
    union all
    select id from delivery
     where credential_id = c.id and coalesce(accepted_at, ended_at) > span.since
       and coalesce(accepted_at, ended_at) <= span.until
       and ended_at is null and purged_at is null) d
   limit $2
), purged as (
  update delivery set payload = null, purged_at = app.now() where id in (
    select id from delivery where id in (select id from found) for update skip locked)
)
select count(*) from found
"""
_MARK_PURGED = "update app.purge_mark set upto = app.now() - $1 * interval '1 day'"


async def dispatch(database: Database, queue: Queue) -> int:
    """One tick: recover, show what is unknown for long, expire, move what waits behind a provider
    that is out, mark what is due, wake the lanes; how many were woken.

    Bulk is marked when everybody else is awake: a backlog takes its time.
    """
    async with database.as_dispatcher() as connection:
        await _recover(connection)
        await show_unknown(connection)
        await _expire(connection)
        await fail_over(connection)
        await connection.execute(_MARK_DUE, "interactive")
        await _resume(connection)
        await resume_agreed(connection)
        lanes = await connection.fetch(_WAKE)
        practices = await connection.fetch(_INBOX)
    inboxes = [
        WakeUp("inbox", str(row["practice_id"]), f"inbox:{row['practice_id']}", 20)
        for row in practices
    ]
    woken = await queue.enqueue([*inboxes, *map(_wake_up, lanes)])
    async with database.as_dispatcher() as connection:
        if await connection.execute(_MARK_DUE, "bulk") == "UPDATE 0":
            return woken
        lanes = await connection.fetch(_WAKE)
    return woken + await queue.enqueue([_wake_up(lane) for lane in lanes])


def _wake_up(lane: Any) -> WakeUp:
    payload = f"{lane['practice_id']}/{lane['id']}"
    return WakeUp("lane", payload, f"lane:{lane['id']}", PRIORITY[lane["class"]])


async def purge_payloads(database: Database) -> None:
    """Forget rendered bodies whose retention has passed, all there are; the ledger's facts stay."""
    for _ in range(_MOST_PURGES):
        async with database.as_dispatcher() as connection:
            if not await connection.fetchval(_PURGE, PAYLOAD_RETENTION_DAYS, PURGED_AT_ONCE):
                await connection.execute(_MARK_PURGED, PAYLOAD_RETENTION_DAYS)
                return


async def _recover(connection: Connection) -> None:
    """Take back what a dead worker held: unknown if it may have left, due if it surely did not."""
    lost = await connection.fetch(_LOST_CLAIMS, DEAD_AFTER_S, LONGEST_CLAIM_S)
    if not lost:
        return
    ids = [row["id"] for row in lost]
    perhaps_sent = await leave_attempts(connection, ids)
    await connection.execute(_TAKE_BACK, ids, list(perhaps_sent))
    for practice_id in {row["practice_id"] for row in lost}:
        lines = [
            (row["id"], row["drill"], {"now": _now(row["id"], perhaps_sent)})
            for row in lost
            if row["practice_id"] == practice_id
        ]
        await record_all(
            connection, "worker_lost", practice_id=practice_id, lines=lines, actor="dispatcher"
        )
    log.warning("claims_recovered", count=len(lost))


def _now(delivery_id: UUID, perhaps_sent: set[UUID]) -> str:
    return "unknown" if delivery_id in perhaps_sent else "due"


async def _expire(connection: Connection) -> None:
    for row in await connection.fetch(_EXPIRE):
        await record(
            connection,
            "expired",
            practice_id=row["practice_id"],
            delivery_id=row["id"],
            actor="dispatcher",
            drill=row["drill"],
        )


async def _resume(connection: Connection) -> None:
    for row in await connection.fetch(_RESUME):
        await record(
            connection,
            "lane_resumed",
            practice_id=row["practice_id"],
            lane_id=row["id"],
            data={"because": "its time had come"},
            actor="dispatcher",
        )
