"""Dead letters on the console: seen in heaps, sent again together, closed together."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.console.stage import Stage, walk
from tests.console.test_pages import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.database]


async def test_the_front_desk_sends_held_ones_again(browser: Browser, stage: Stage) -> None:
    """One press moves what is safe; the page says how many, and a second press finds nothing."""
    await stage.owner.execute("delete from attempt_delivery where delivery_id = $1", stage.held)
    async with signed_in(browser, stage, "frontdesk") as page:
        await page.get_by_role("link", name="Dead letters").click()
        main = page.get_by_role("main")
        await expect(main).to_contain_text("Safe to send")
        again = await page.context.new_page()
        await again.goto(f"{stage.url}/dead-letters")
        await main.get_by_role("button", name="Send 1 again").click()
        await expect(main.get_by_role("heading", name="Sending 1 message again")).to_be_visible()
        await expect(main).to_contain_text("Nothing waits for a person")
        await again.get_by_role("button", name="Send 1 again").click()
        await expect(again.get_by_role("status").first).to_contain_text("decided already")
    status = await stage.owner.fetchval("select status from delivery where id = $1", stage.held)
    assert status == "pending"


async def test_what_is_held_without_a_case_goes_alone(browser: Browser, stage: Stage) -> None:
    """Of two heaps, one without a case, the press on that one sends what it says, and Close on it
    closes as many; the other heap stays."""
    await stage.owner.execute("delete from attempt_delivery where delivery_id = $1", stage.held)
    ids = await stage.owner.fetch(
        "update delivery set status = 'held', held_reason = 'for a test' where id in"
        " (select id from delivery where status = 'pending' and integration = 'email'"
        "   and last_case is null order by id limit 2) returning id"
    )
    without, late = (row["id"] for row in ids)
    late_now = "update delivery set expires_at = app.now() - interval '1 h' where id = any ($1)"
    await stage.owner.execute(late_now, [late])
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/dead-letters")
        heap = page.get_by_role("region", name="Held without a case")
        await heap.get_by_role("button", name="Send 1 again").click()
        await expect(page.get_by_role("heading", name="Sending 1 message again")).to_be_visible()
        await stage.owner.execute(late_now, [stage.held])
        await page.reload()
        await heap.get_by_role("button", name="Close 1").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 message closed")
    now = await stage.owner.fetch("select id, status from delivery where id = any ($1)",
        [without, late, stage.held])  # fmt: skip
    assert {row["id"]: row["status"] for row in now} == {
        without: "pending", late: "cancelled", stage.held: "held",
    }  # fmt: skip


async def test_what_a_person_holds_says_who_and_why(browser: Browser, stage: Stage) -> None:
    """Apart from what came to be held by itself, without its green and its "Safe"; the press on the
    other heap leaves it, its own lets it go."""
    await stage.owner.execute("delete from attempt_delivery where delivery_id = $1", stage.held)
    held = await stage.owner.fetchval(
        "with chosen as (select id from delivery where status = 'pending' and integration = 'email'"
        "   and last_case is null and practice_id = $1 order by id limit 1), said as ("
        "  insert into timeline (practice_id, delivery_id, kind, data, actor)"
        "  select $1, id, 'held', jsonb_build_object('reason', $2::text), 'Olive' from chosen)"
        " update delivery d set status = 'held', held_reason = $2 from chosen"
        "  where d.id = chosen.id returning d.id",
        stage.lakeside,
        "Olive holds it: wrong template, ask me",
    )
    states = "select status from delivery where id = any ($1) order by id = $2"
    both = ([held, stage.held], held)
    async with signed_in(browser, stage, "frontdesk", width=390) as page:
        await page.goto(f"{stage.url}/dead-letters")
        heap = page.get_by_role("region", name="A person holds it: Olive")
        await expect(heap).to_contain_text("Why: Wrong template, ask me. Since")
        await expect(heap).not_to_contain_text("Safe")
        await expect(heap.locator("button.main")).to_have_count(0)
        main = page.get_by_role("main")
        await main.locator("button.main", has_text="Send 1 again").click()
        await expect(page.get_by_role("heading", name="Sending 1 message again")).to_be_visible()
        assert [row[0] for row in await stage.owner.fetch(states, *both)] == ["pending", "held"]
        await heap.get_by_role("button", name="Send 1 again").click()
        await expect(main).to_contain_text("Nothing waits for a person")
    assert [row[0] for row in await stage.owner.fetch(states, *both)] == ["pending", "pending"]


async def test_what_may_be_out_is_decided_one_by_one(browser: Browser, stage: Stage) -> None:
    """A message whose request was never answered has no button, but a way to its own page."""
    await stage.owner.execute(
        "update attempt set state = 'unknown' where id in"
        " (select attempt_id from attempt_delivery where delivery_id = $1)",
        stage.held,
    )
    async with signed_in(browser, stage, "oncall") as page:
        await page.goto(f"{stage.url}/dead-letters")
        main = page.get_by_role("main")
        await expect(main.get_by_role("button")).to_have_count(0)
        await main.get_by_role("link", name="that may be out already").click()
        await expect(page.get_by_role("heading", name="Messages")).to_be_visible()


async def test_what_is_perhaps_sent_is_shown_while_it_is_asked_for(
    browser: Browser, stage: Stage
) -> None:
    """Unknown for over ten minutes, a message is on the page though it is not held, and the page
    says why nobody can be asked and where to look."""
    await walk(stage.owner, stage.held, "pending", "due", "sending", "unknown")
    await stage.owner.execute(
        "update delivery set unknown_at = app.now() - interval '11 min' where id = $1", stage.held
    )
    async with signed_in(browser, stage, "frontdesk", width=390) as page:
        await page.goto(f"{stage.url}/dead-letters")
        main = page.get_by_role("main")
        await expect(main.get_by_role("heading", level=2)).to_have_text(
            "Perhaps sent: Resend has not said"
        )
        await expect(main).to_contain_text("Resend goes on being asked.")
        await stage.owner.execute("update credential_state set breaker = 'open'")
        await page.reload()
        await expect(main).to_contain_text("once it closes, Resend is asked")
        await main.get_by_role("link", name="Look at it").click()
        await expect(page.get_by_role("heading", name="Messages")).to_be_visible()
        await expect(main.locator(f'a[href="/messages/{stage.held}"]').first).to_be_visible()


async def test_what_was_never_heard_of_is_asked_after_or_put_away(
    browser: Browser, stage: Stage
) -> None:
    """Taken and silent though asked, a message is on the page and counted beside its name; a press
    has the provider asked once more, another puts it away, and its own page says what to do."""
    await walk(stage.owner, stage.held, "pending", "due", "sending", "accepted")
    silence = "update delivery set questions = 5, ask_at = null where id = $1"
    await stage.owner.execute(silence, stage.held)
    async with signed_in(browser, stage, "frontdesk", width=390) as page:
        await page.goto(f"{stage.url}/dead-letters")
        main = page.get_by_role("main")
        await expect(main.get_by_role("heading", level=2)).to_contain_text("never heard of")
        await main.get_by_role("link", name="Look at it").click()
        await main.locator(f'a[href="/messages/{stage.held}"]').first.click()
        await expect(main).to_contain_text("does not say whether it arrived, though asked 5 times")
        await page.goto(f"{stage.url}/dead-letters")
        await main.get_by_role("button", name="Ask once more").click()
        await expect(page.get_by_role("status").first).to_contain_text("Asked after 1 message")
        await expect(main).to_contain_text("Nothing waits for a person")
        row = await stage.owner.fetchval("select ask_at from delivery where id = $1", stage.held)
        assert row is not None
        await stage.owner.execute(silence, stage.held)
        await page.reload()
        await main.get_by_role("button", name="Put it away").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 message put away")
        await expect(main).to_contain_text("Nothing waits for a person")
    status = await stage.owner.fetchval("select status from delivery where id = $1", stage.held)
    assert status == "accepted"


async def test_what_is_of_no_use_is_closed(browser: Browser, stage: Stage) -> None:
    """Held past its time, a message is closed with the others of its heap."""
    await stage.owner.execute(
        "update delivery set expires_at = app.now() - interval '1 h' where id = $1", stage.held
    )
    async with signed_in(browser, stage, "frontdesk", width=390) as page:
        await page.goto(f"{stage.url}/dead-letters")
        await page.get_by_role("button", name="Close 1").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 message closed")
    status = await stage.owner.fetchval("select status from delivery where id = $1", stage.held)
    assert status == "cancelled"
