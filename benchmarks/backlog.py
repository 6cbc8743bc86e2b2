"""A mail that somebody waits for, behind a backlog of reminders."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from benchmarks.figure import Figure, percentile
from benchmarks.stage import INVITATION, Stage, mail
from mentalspace.integrations.email.resend.wire import email_body

BACKLOG = 10_000
PERMITTED_PER_S = 10
AIM_S = 5.0
_TOOK = """
select extract(epoch from accepted_at - created_at)::float8 from delivery where id = $1
"""


async def measure(stage: Stage, seconds: float) -> list[Figure]:
    """One such mail a second, at the permitted rate. The reminders fit no batch: the backlog lasts
    for a quarter of an hour, and every slot is wanted."""
    await stage.limit(PERMITTED_PER_S)
    await stage.owner("update lane set state = 'paused'")
    await stage.put_in(BACKLOG, attachments=(INVITATION,))
    await stage.owner("update lane set state = 'open'")
    await asyncio.sleep(2)
    waited_for: list[UUID] = []
    for _ in range(int(seconds)):
        waited_for += await stage.put_in(1, lane_class="interactive", kind="password_reset")
        await asyncio.sleep(1)
    await stage.until_accepted(waited_for)
    left = await stage.owner("select count(*) from delivery where status in ('pending', 'due')")
    assert left > BACKLOG / 2, "the backlog was gone too early to measure against it"
    took = [await stage.owner(_TOOK, each) for each in waited_for]
    await stage.clear_ledger()
    alone = await _alone(stage, 10)
    p95 = percentile(took, 0.95)
    beside = "bare aiohttp, nothing waiting"
    return [
        Figure(
            f"password reset behind {BACKLOG:,}, p50", percentile(took, 0.5), "s", beside,
            percentile(alone, 0.5), less_is_better=True,
        ),
        Figure(
            f"password reset behind {BACKLOG:,}, p95", p95, "s", beside,
            percentile(alone, 0.95), less_is_better=True,
            aim=f"under {AIM_S:.0f} s", met=p95 < AIM_S,
        ),
    ]  # fmt: skip


async def _alone(stage: Stage, count: int) -> list[float]:
    """Seconds a request takes whose sender has nothing else to do, on an account of its own."""
    key = "re_alone"
    await stage.another_account(key, PERMITTED_PER_S)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    took = []
    for number in range(count):
        began = time.monotonic()
        body = email_body(mail(f"alone-{number}@demo.example"))
        async with stage.http.post(f"{stage.sandbox}/emails", data=body, headers=headers) as got:
            await got.read()
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.2)
    return took
