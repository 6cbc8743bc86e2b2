"""One lock, two incidents: the page of each names the other, and who takes one has both."""

from __future__ import annotations

from mentalspace.engine.house_alert import hold
from mentalspace.engine.pulse import TableLock
from tests.console.stage import Stage
from tests.console.test_doors import visitor

LOCK = TableLock(
    "lane", 4711, "nightly-cleanup", "postgres", "127.0.0.1", "idle in transaction", 70.0, "begin"
)
_FOUND = {
    "dispatch": "The dispatcher is silent: what is due is not sent",
    "worker:vm": "A living worker hangs in evaluate (vm, pid 7)",
}


async def test_what_stands_behind_one_lock_is_named_on_the_page_that_pages(stage: Stage) -> None:
    """The list shows the one that pages; its page leads to the other, and the other's back."""
    async with stage.services.database.as_dispatcher() as connection:
        for key, title in _FOUND.items():
            await hold(
                connection, stage.services.runbooks.escalation, "house.loop_silent",
                {key: title}, locks={key: LOCK}, more=True,
            )  # fmt: skip
    rows = await stage.owner.fetch(
        "select id, title, lead_id from incident where rule_id = 'house.loop_silent'"
        " order by lead_id nulls first"
    )
    lead, led = rows
    assert (lead["title"], led["lead_id"]) == (_FOUND["dispatch"], lead["id"])
    async with visitor(stage, "oncall") as http:
        async with http.get("/incidents") as answer:
            listed = await answer.text()
        assert lead["title"] in listed
        assert led["title"] not in listed
        async with http.get(f"/incidents/{lead['id']}") as answer:
            shown = await answer.text()
        assert "The same lock is in the way of more" in shown
        assert f'<a href="/incidents/{led["id"]}">{led["title"]}</a>' in shown
        async with http.get(f"/incidents/{led['id']}") as answer:
            shown = await answer.text()
        assert "The same lock is in the way elsewhere" in shown
        assert "one page for all" in shown
        assert "starts again and again" not in shown
        assert f'href="/incidents/{lead["id"]}"' in shown
