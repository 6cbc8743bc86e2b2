"""The front desk reads what clients text, and writes back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from playwright.async_api import Browser, expect

from mentalspace.engine.inbox import Heard
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.segments import count
from mentalspace.kernel.event import Incoming
from mentalspace.kernel.phi import Phi
from tests.console.stage import CLIENT, Stage, walk
from tests.console.test_doors import visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

pytestmark = [pytest.mark.browser, pytest.mark.database]

NUMBER, STRANGER = "+12025550142", "+12025550199"
BODIES = (
    "Hello",
    "€" * 81,
    "Ñandú año",
    "“Quoted” – and…",
    "a" * 161,
    "😀" * 36,
    "c" * 152 + "€" * 2,
)


async def hear(stage: Stage, body: str, sender: str = NUMBER) -> None:
    credential: UUID = await stage.owner.fetchval(
        "select id from credential where practice_id = $1 and integration = 'sms'", stage.lakeside
    )
    said = Incoming(uuid4().hex, Phi(sender), Phi(body), datetime.now(UTC), "received")
    async with stage.services.database.as_worker(stage.lakeside) as connection:
        heard = Heard(stage.lakeside, credential, "sms", said, None)
        await stage.services.inbox.hear(connection, heard)


async def _give_number(stage: Stage) -> None:
    await stage.owner.execute(
        "update client set phone = '(202) 555-0142' where id = $1", stage.client
    )


async def _sent(stage: Stage) -> list[str]:
    rows = await stage.owner.fetch(
        "select payload from delivery where kind = 'reply' order by created_at"
    )
    vault = stage.services.vault
    return [Text.from_bytes(vault.open(stage.lakeside, "delivery", r[0])).body for r in rows]


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_front_desk_answers_a_client(browser: Browser, stage: Stage, width: int) -> None:
    """From the count in the navigation to the reply: it goes once, its cost is told as it is
    counted when it leaves, the task is done, and accepted is not called delivered."""
    await _give_number(stage)
    await hear(stage, "Can I bring my sister?")
    await hear(stage, "Who is this?", STRANGER)
    async with signed_in(browser, stage, "frontdesk", width=width) as page:
        await page.get_by_role("link", name="Texts 2 to read").click()
        main = page.get_by_role("main")
        await expect(main).to_contain_text(STRANGER)
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []
        await main.get_by_role("link", name=CLIENT).click()
        await expect(main).to_contain_text("Can I bring my sister?")
        await expect(page.get_by_role("link", name="Texts 1 to read")).to_be_visible()
        field = main.get_by_label("Text", exact=True)
        for body in BODIES:
            await field.fill(body)
            many = count(body).segments
            says = f"{many} segment{'' if many == 1 else 's'},"
            await expect(main.locator("#cost")).to_contain_text(says)
        await field.fill(f"Yes, {CLIENT}, you may.")
        await main.get_by_role("button", name="Send").click()
        await expect(main.get_by_role("alert")).to_contain_text("Leave the name out")
        assert await violations(page, _WCAG) == []
        await field.fill("Yes, you may.")
        await main.get_by_role("button", name="Send").dblclick()
        await expect(main.get_by_role("status").first).to_contain_text("on its way")
        reply = await stage.owner.fetchval("select id from delivery where kind = 'reply'")
        await walk(stage.owner, reply, "due", "sending", "accepted")
        await expect(main.get_by_role("listitem").last).to_contain_text("not known to have arrived")
        assert await overflow(page) <= 0
    assert await _sent(stage) == ["Yes, you may."]
    assert await stage.owner.fetchval("select state from task where topic = 'answer'") == "done"
    read = await stage.owner.fetch("select action, subject from audit where action like 'texts.%'")
    assert {(row["action"], row["subject"]) for row in read} == {
        ("texts.listed", None),
        ("texts.read", str(stage.client)),
        ("texts.replied", str(stage.client)),
    }


async def test_without_a_script_a_form_sent_twice_sends_once(stage: Stage) -> None:
    """The page alone keeps it from going twice, and a form of another page changes nothing."""
    await _give_number(stage)
    await hear(stage, "Hello?")
    path = f"/clients/{stage.client}/texts"
    async with visitor(stage, "frontdesk") as http:
        async with http.get(path) as page:
            text = await page.text()
        csrf, once = (text.split(f'name="{name}" value="')[-1].split('"')[0]
                      for name in ("csrf", "once"))  # fmt: skip
        form = {"csrf": csrf, "once": once, "body": "Good morning"}
        for _ in range(2):
            async with http.post(path, data=form) as answer:
                assert "on its way" in await answer.text()
        for bent in ({**form, "once": "x"}, {**form, "body": " \n "}):
            async with http.post(path, data=bent) as answer:
                assert answer.status == 422
        async with http.post(path, data={**form, "csrf": "x"}) as answer:
            assert answer.status == 403
    assert await _sent(stage) == ["Good morning"]


async def test_whom_nobody_texts(stage: Stage) -> None:
    """No number, no agreement, opted out: the page says so and has no form; who may not read texts
    finds no page."""
    path = f"/clients/{stage.client}/texts"
    async with visitor(stage, "frontdesk") as http:

        async def said() -> str:
            async with http.get(path) as page:
                return await page.text()

        assert "No telephone number is on file" in await said()
        await _give_number(stage)
        assert "neither agreed to texts nor texted us" in await said()
        await hear(stage, "STOP")
        text = await said()
        assert "They want no texts from us" in text
        assert 'name="body"' not in text
        for odd in ("/texts/0", f"/texts/{'0' * 32}", f"/clients/{uuid4()}/texts"):
            async with http.get(odd) as page:
                assert page.status == 404
    async with visitor(stage, "biller") as http, http.get("/texts") as page:
        assert page.status == 403
