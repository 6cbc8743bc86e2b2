"""What was deleted or replaced of a client's documents, in a real browser."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from tests.console.stage import Stage
from tests.console.test_documents import (
    PATIENCE_MS,
    PDF,
    STORED,
    at_desk,
    choose,
    office,
    row,
)
from tests.console.test_pages import _WCAG, overflow, violations

__all__ = ["office"]
pytestmark = [pytest.mark.browser, pytest.mark.database]


async def id_of(stage: Stage, name: str) -> UUID:
    found: UUID = await stage.owner.fetchval(
        "select id from storage.file where user_metadata ->> 'display_name' = $1", name
    )
    return found


async def test_what_was_removed_is_found_and_restored(browser: Browser, office: Stage) -> None:
    """Deleted and replaced documents stand on a page of their own, which fits a telephone; what is
    held says so, what is sealed has no button, and one press brings a version back. On a document's
    own page stands what it replaced."""
    folder, names = str(office.client), ["Deleted.pdf", "Held.pdf", "Sealed.pdf"]
    async with at_desk(browser, office, width=390) as desk:
        page = await desk.open()
        for name in names:
            await choose(page, name, PDF)
            await expect(row(page, name)).to_contain_text(STORED, timeout=PATIENCE_MS)
        kept = await id_of(office, "Held.pdf")
        await office.owner.execute(
            "insert into storage.hold (practice_id, kind, held_id, reason, held_by)"
            " values ($1, 'file', $2, 'Subpoena', $2)", office.lakeside, kept,
        )  # fmt: skip
        await office.owner.execute(
            "update storage.scan set state = 'infected' where file_id = $1",
            await id_of(office, "Sealed.pdf"),
        )
        await office.owner.execute(
            "delete from storage.file where starts_with(name, $1) and"
            " user_metadata ->> 'display_name' = any ($2)", folder, names,
        )  # fmt: skip
        await page.goto(desk.address)
        await page.get_by_role("link", name="Deleted and replaced documents").click()
        table = page.get_by_role("table", name="Recently deleted")
        held = table.get_by_role("row").filter(has_text="Held.pdf")
        await expect(held).to_contain_text("Legal hold")
        sealed = table.get_by_role("row").filter(has_text="Sealed.pdf")
        await expect(sealed).to_contain_text("Harmful, sealed")
        await expect(sealed.get_by_role("button")).to_have_count(0)
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []
        gone = table.get_by_role("row").filter(has_text="Deleted.pdf")
        looked = await desk.context.request.get(
            office.url + str(await gone.get_by_role("link").get_attribute("href"))
        )
        assert await looked.body() == PDF
        await gone.get_by_role("button", name=re.compile("^Restore")).click()
        await expect(page.get_by_role("status")).to_contain_text("It is restored")
        assert await desk.content_of("Deleted.pdf") == PDF
        again = await id_of(office, "Deleted.pdf")
        await office.owner.execute(
            "update storage.file set version = gen_random_uuid()::text where id = $1", again
        )
        await page.goto(f"{desk.address}/{again}")
        await page.get_by_role("link", name="Older versions").click()
        older = page.get_by_role("table", name="What it replaced").get_by_role("row")
        await older.filter(has_text="Replaced").get_by_role("button").click()
        await expect(page.get_by_role("status")).to_contain_text("It is restored")
        assert await desk.content_of("Deleted.pdf") == PDF
    await office.owner.execute(
        "update storage.hold set lifted_by = held_by, lifted_at = now(), lifted_because = 'Over'"
        " where lifted_at is null"
    )
