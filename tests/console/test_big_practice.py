"""The console over a made-up practice of some size."""

from __future__ import annotations

from mentalspace.workflows.demo_history import Wanted, make_history
from tests.console.stage import Stage
from tests.console.test_doors import visitor


async def test_its_pages_open(stage: Stage) -> None:
    """A front desk sees the practice's days, people, mails and tasks, and a mail's whole story."""
    services = stage.services
    await make_history(
        services, stage.owner, Wanted(200, seed=7), password="-", now=services.clock.now()
    )
    bounced = await stage.owner.fetchrow(
        "select d.id, k.name from delivery d join client k on k.id = d.client_id"
        " where d.status = 'bounced' and d.practice_id = $1 limit 1",
        stage.lakeside,
    )
    oldest = await stage.owner.fetchrow(
        "select a.starts_at, k.name from appointment a join client k on k.id = a.client_id"
        " where a.external_id like 'demo-7-%' order by 1 limit 1"
    )
    async with visitor(stage, "frontdesk") as http:
        for path, shown in (
            (f"/appointments?day={oldest['starts_at']:%Y-%m-%d}", oldest["name"]),
            ("/clients", "demo-7-0"),
            ("/messages?status=bounced", bounced["name"]),
            ("/tasks?state=done", "mail to it came back for good"),
            (f"/messages/{bounced['id']}", "Resend reported: email.bounced"),
        ):
            async with http.get(path) as page:
                assert page.status == 200, path
                assert shown in await page.text(), path
