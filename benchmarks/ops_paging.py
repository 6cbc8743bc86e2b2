"""From a fault that stands in the ledger to the page that somebody's channel has taken."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any
from uuid import UUID

from benchmarks.figure import Figure, percentile
from benchmarks.meter import load
from benchmarks.stage import Stage
from mentalspace.engine.db import connect_owner
from mentalspace.workflows.sandbox_keeping import call_sandbox

ROUNDS = 30
WITHIN_S = 60.0
AIM_S = 5.0

_VICTIMS = """
select c.id from credential c join practice p on p.id = c.practice_id
 where c.integration = 'email' and p.slug like 'bench-%' order by p.slug limit $1
"""
# Five people in a row, by a fault of ours: each practice's own trouble, and a page of its own.
_FAIL = """
with whose as (
  select l.practice_id, l.id as lane_id, l.credential_id, l.integration, n
    from lane l cross join generate_series(1, 5) n where l.credential_id = $1
), failed as (
  insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
    status, idempotency_key, attempts, traceparent, ended_at, last_case)
  select practice_id, lane_id, credential_id, integration, 'reminder', 'fails-' || n, 'refused',
         'bench/fails/' || credential_id || n, 1, '00-0-0-00', app.now(), 'email.validation_error'
    from whose returning id, practice_id, lane_id, credential_id
), tried as (
  insert into attempt (practice_id, lane_id, credential_id, integration, state, idempotency_key,
    worker, deadline_s, started_at, finished_at, http, case_id, fault, traceparent)
  select practice_id, lane_id, credential_id, 'email', 'failed', id::text, 'bench', 30, app.now(),
         app.now(), 422, 'email.validation_error', 'ours', '00-0-0-00' from failed
  returning id, idempotency_key, practice_id
)
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select id, idempotency_key::uuid, practice_id from tried
"""
_CLOSE = """
update incident set status = 'resolved', resolved_at = app.now(), resolved_by = 'bench',
  next_escalation_at = null where status <> 'resolved'
"""


async def measure(stage: Stage) -> list[Figure]:
    """Each round another practice, at any moment of the loops, over HTTP to the pager's sandbox."""
    random = Random(11)
    async with connect_owner(stage.services.admin_url) as owner:
        rows = await owner.fetch(_VICTIMS, ROUNDS)
        took = []
        for row in rows:
            await asyncio.sleep(random.uniform(0, 2))
            took.append(await _round(stage, owner, row["id"]))
        await owner.execute(_CLOSE)
    p95 = percentile(took, 0.95)
    return [
        Figure("a fault in the ledger to the page taken", percentile(took, 0.5), "s", note=load()),
        Figure(
            f"the same, p95 of {len(took)}", p95, "s", aim=f"under {AIM_S:g} s", met=p95 < AIM_S,
            note=load(),
        ),
    ]  # fmt: skip


async def _round(stage: Stage, owner: Any, credential_id: UUID) -> float:
    """Whichever rule speaks of it first."""
    await owner.execute(_FAIL, credential_id)
    began = time.monotonic()
    async with asyncio.timeout(WITHIN_S):
        while not await _is_paged(stage, owner, credential_id):
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def _is_paged(stage: Stage, owner: Any, credential_id: UUID) -> bool:
    """A page's link says which incident it is about."""
    rows = await owner.fetch("select id from incident where credential_id = $1", credential_id)
    if not rows:
        return False
    pages = await call_sandbox(stage.services, "GET", "/pages?limit=20")
    return any(f"/incidents/{row['id']}" in page["message"] for row in rows for page in pages)
