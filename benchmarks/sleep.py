"""Keeps the installation's worker still, so that what is measured is done by nobody else."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.stage import Stage

# Asleep in the middle of a transaction it would hold locks that others wait for.
_BUSY = """
select count(*) from pg_stat_activity
 where application_name like 'mentalspace%' and xact_start is not null
"""
# What the other processes take for its death.
_FORGET_ALARMS = """
update incident set status = 'resolved', resolved_at = app.now(), resolved_by = 'bench',
  next_escalation_at = null where status <> 'resolved' and integration = 'house'
"""
_TRIES = 100


@asynccontextmanager
async def worker_asleep(stage: Stage) -> AsyncIterator[None]:
    """Between two transactions of its. It goes on afterwards, whatever happens."""
    worker = await stage.installation.victim("worker")
    assert worker is not None, "there is no worker to put to sleep"
    try:
        for _ in range(_TRIES):
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(0.05)
            if not await stage.owner(_BUSY):
                break
            worker.send(signal.SIGCONT)
            await asyncio.sleep(0.1)
        else:
            raise TimeoutError("the worker is always in a transaction")
        yield
    finally:
        worker.send(signal.SIGCONT)
    await asyncio.sleep(3)  # it notices what has become of its sessions
    await stage.owner(_FORGET_ALARMS)
