"""From a provider's refusal to the page that the on-call engineer's channel has received."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.figure import Figure, percentile
from benchmarks.stage import UNLIMITED_PER_S, Stage
from mentalspace.workflows.sandbox_keeping import call_sandbox

ROUNDS = 20
WITHIN_S = 60.0
AIM_S = 5.0
_OPEN_LANES = """
update lane set state = 'open', paused_until = null, paused_case = null, paused_by = null,
  paused_at = null, paused_for_phi = false where state = 'paused'
"""
_CLOSE = """
update incident set status = 'resolved', resolved_at = app.now(), resolved_by = 'bench',
  next_escalation_at = null where status <> 'resolved'
"""


async def measure(stage: Stage) -> list[Figure]:
    """Each round another refusal of the key, another incident and another page, over HTTP."""
    await stage.limit(UNLIMITED_PER_S)
    took = [await _round(stage) for _ in range(ROUNDS)]
    median, p95 = percentile(took, 0.5), percentile(took, 0.95)
    return [
        Figure("a mail due, its key refused, to the page received", median, "s"),
        Figure(f"the same, p95 of {ROUNDS}", p95, "s", aim=f"under {AIM_S:.0f} s", met=p95 < AIM_S),
    ]


async def _round(stage: Stage) -> float:
    """The provider refuses the key; how long until somebody's channel has a page about it."""
    before = await _newest(stage)
    body = {"room": "email", "provider": "resend", "kind": "status", "http": 403}
    fault = await call_sandbox(
        stage.services, "POST", "/faults", {**body, "account": stage.account}
    )
    began = time.monotonic()
    await stage.put_in(1, lane_class="interactive", kind="appointment_created")
    try:
        async with asyncio.timeout(WITHIN_S):
            while await _newest(stage) == before:
                await asyncio.sleep(0.02)
        return time.monotonic() - began
    finally:
        await call_sandbox(stage.services, "DELETE", f"/faults/{fault['id']}")
        await stage.clear_ledger()
        await stage.owner(_CLOSE)
        await stage.owner(_OPEN_LANES)
        await asyncio.sleep(1.5)  # pages on their way belong to this round


async def _newest(stage: Stage) -> Any:
    pages = await call_sandbox(stage.services, "GET", "/pages?limit=1")
    return pages[0]["id"] if pages else None
