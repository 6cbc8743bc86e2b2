"""A client's documents in a real browser: uploads that survive, forms without scripts, a camera."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from PIL import Image
from playwright.async_api import (
    Browser,
    BrowserContext,
    FilePayload,
    Locator,
    Page,
    Request,
    Route,
    expect,
)

from mentalspace.integrations.storage.notice import PAGE, SHORT
from mentalspace.practice.identity import create_user
from tests.conftest import MASTER_KEY
from tests.console.conftest import _speak_json
from tests.console.stage import PASSWORD, Stage, on_stage
from tests.console.test_pages import _CONTRAST, _WCAG, overflow, violations
from tests.databases import Databases

pytestmark = [pytest.mark.browser, pytest.mark.database]

# Some seconds on the line that `slow` makes.
LARGE = b"%PDF-1.7\n" + os.urandom(4_000_000)
PDF = b"%PDF-1.7\n" + b"nothing at all\n" * 60
STORED = "The document is here."
# A photo is drawn, and four megabytes go, in a second; beside other tests in several.
PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
async def office(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One stage for all of this: each test has a client of its own, or looks for its own file."""
    async with databases.lend() as url:
        owner = await asyncpg.connect(
            url, server_settings={"search_path": "app, pg_catalog, public"}
        )
        await _speak_json(owner)
        async with on_stage(owner, url, MASTER_KEY, tmp_path_factory.mktemp("office")) as ready:
            yield ready
        await owner.close()


@dataclass
class Desk:
    """One browser of somebody signed in, and what went from it to the storage surface."""

    stage: Stage
    context: BrowserContext
    pieces: list[int] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.stage.url}/clients/{self.stage.client}/documents"

    async def open(self) -> Page:
        page = await self.context.new_page()
        await page.goto(self.address)
        return page

    async def sum_of(self, name: str) -> str:
        return hashlib.sha256(await self.content_of(name)).hexdigest()

    async def content_of(self, name: str) -> bytes:
        """What is given out under that name, by the page's own link."""
        row = await self.stage.owner.fetchrow(
            "select id from storage.file where user_metadata ->> 'display_name' = $1", name
        )
        assert row is not None, name
        got = await self.context.request.get(f"{self.address}/{row['id']}/content")
        return await got.body()

    def note(self, request: Request) -> None:
        if "/storage/v1/" in request.url:
            self.methods.append(request.method)
            assert "token" not in request.url
            assert "authorization" not in request.headers
            if request.method == "PATCH":
                self.pieces.append(int(request.headers["upload-offset"]))


@asynccontextmanager
async def at_desk(
    browser: Browser,
    stage: Stage,
    who: str = "frontdesk",
    *,
    width: int = 1280,
    scripts: bool = True,
) -> AsyncIterator[Desk]:
    context = await browser.new_context(
        viewport={"width": width, "height": 850}, java_script_enabled=scripts
    )
    desk = Desk(stage, context)
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "console",
        lambda told: complaints.append(told.text) if "Security Policy" in told.text else None,
    )
    context.on("request", desk.note)
    page = await context.new_page()
    await log_in(page, stage, who)
    await page.close()
    yield desk
    await context.close()
    assert complaints == []


async def log_in(page: Page, stage: Stage, who: str) -> None:
    await page.goto(f"{stage.url}/login")
    await page.get_by_label("E-mail address").fill(f"{who}@demo.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: "/login" not in url)


async def slow(page: Page) -> None:
    """A modest line: what is under way can be looked at."""
    wire = await page.context.new_cdp_session(page)
    await wire.send("Network.enable")
    await wire.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": 1_200_000,
        },
    )


async def begun(page: Page, name: str, content: bytes = LARGE) -> None:
    """Under way: bytes and time are told, some of it has left and the rest has not."""
    await choose(page, name, content)
    figures = row(page, name).locator(".figures")
    await expect(figures).to_have_text(re.compile(r"MB of 4 MB, \d+ %, about \d s left"))


async def choose(page: Page, name: str, content: bytes) -> None:
    await page.get_by_label("File", exact=True).set_input_files(payload(name, content))


async def press(upload: Locator, button: str) -> None:
    await upload.get_by_role("button", name=re.compile(f"^{button}")).click()


def photo(colour: str) -> FilePayload:
    """As a telephone takes it: large, and it says where."""
    picture, told = Image.new("RGB", (2700, 1800), colour), Image.Exif()
    told.get_ifd(0x8825)[1] = "N"
    told[0x010F] = "A telephone"
    raw = io.BytesIO()
    picture.save(raw, "JPEG", exif=told)
    return {"name": "IMG_1.jpg", "mimeType": "image/jpeg", "buffer": raw.getvalue()}


def row(page: Page, name: str) -> Locator:
    return page.locator(".upload").filter(has_text=name)


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/pdf", "buffer": content}


async def test_an_upload_outlives_its_line_its_tab_and_its_session(
    browser: Browser, office: Stage
) -> None:
    """Bytes and time are told as they leave; a line that is cut is waited for; a closed tab goes
    on from where it was when the same file is chosen again; a session that ended is logged in
    again. What is kept is, to the last byte, what was chosen, and no name was left behind."""
    async with at_desk(browser, office) as desk:
        page = await desk.open()
        await slow(page)
        await begun(page, "cut.pdf")
        await desk.context.set_offline(True)
        await expect(row(page, "cut.pdf")).to_contain_text("No connection")
        await page.wait_for_timeout(300)
        await desk.context.set_offline(False)
        await expect(row(page, "cut.pdf")).to_contain_text(STORED, timeout=PATIENCE_MS)
        await expect(page.get_by_role("table", name="Documents")).to_contain_text("cut.pdf")
        assert await desk.sum_of("cut.pdf") == hashlib.sha256(LARGE).hexdigest()

        closed = LARGE[:-1] + b"c"
        await slow(page)
        await begun(page, "closed.pdf", closed)
        assert "closed" not in await page.evaluate("JSON.stringify(localStorage)")
        await desk.context.set_offline(True)
        await page.close()
        await desk.context.set_offline(False)
        page, already = await desk.open(), len(desk.pieces)
        await expect(row(page, "stopped at")).to_contain_text("Choose the same file again")
        await choose(page, "closed.pdf", closed)
        await expect(row(page, "closed.pdf")).to_contain_text(STORED, timeout=PATIENCE_MS)
        assert min(desk.pieces[already:]) > 0
        assert await desk.sum_of("closed.pdf") == hashlib.sha256(closed).hexdigest()
        assert await page.evaluate("localStorage.length") == 0

        ended = LARGE[:-1] + b"e"
        await slow(page)
        await begun(page, "ended.pdf", ended)
        await press(row(page, "ended.pdf"), "Pause")
        await office.owner.execute("update session set ended_at = now() where ended_at is null")
        await press(row(page, "ended.pdf"), "Go on")
        await expect(row(page, "ended.pdf")).to_contain_text("You were logged out")
        async with desk.context.expect_page() as opened:
            await row(page, "ended.pdf").get_by_role("link", name="Log in").click()
        await log_in(await opened.value, office, "frontdesk")
        await (await opened.value).close()
        await press(row(page, "ended.pdf"), "Go on")
        await expect(row(page, "ended.pdf")).to_contain_text(STORED, timeout=PATIENCE_MS)
        assert await desk.sum_of("ended.pdf") == hashlib.sha256(ended).hexdigest()


async def test_an_upload_is_paused_and_taken_back(browser: Browser, office: Stage) -> None:
    """Paused, nothing leaves; cancelled, the server is told and keeps nothing of it."""
    async with at_desk(browser, office) as desk:
        page = await desk.open()
        await slow(page)
        await begun(page, "paused.pdf")
        upload = row(page, "paused.pdf")
        await press(upload, "Pause")
        await expect(upload).to_contain_text("Paused at")
        sent = len(desk.pieces)
        await page.wait_for_timeout(500)
        assert len(desk.pieces) == sent
        async with page.expect_response(lambda got: got.request.method == "DELETE") as ended:
            await press(upload, "Cancel")
        gone = await ended.value
        assert gone.status == 204
        await expect(upload).to_contain_text("Nothing was kept")
        assert await page.evaluate("localStorage.length") == 0
    kept = await office.owner.fetchval(
        "select count(*) from storage.file where user_metadata ->> 'display_name' = 'paused.pdf'"
    )
    assert kept == 0


async def test_what_is_wrong_is_said_before_a_byte_leaves(
    browser: Browser, office: Stage, tmp_path: Path
) -> None:
    """Too large, of another type than its name says, and empty: nothing is sent for any."""
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.write(PDF)
        file.truncate(50_000_001)
    async with at_desk(browser, office) as desk:
        page = await desk.open()
        await page.get_by_label("File", exact=True).set_input_files(large)
        await expect(row(page, "large.pdf")).to_contain_text("larger than 50 MB")
        await choose(page, "letter.pdf", b"MZ" + bytes(100))
        await expect(row(page, "letter.pdf")).to_contain_text("Only PDF, JPEG and PNG")
        await choose(page, "empty.pdf", b"")
        await expect(row(page, "empty.pdf")).to_contain_text("This file is empty")
        assert desk.methods == []


async def test_a_server_that_forgets_every_upload_is_not_asked_for_ever(
    browser: Browser, office: Stage
) -> None:
    """Begun three times, each gone at its first piece: then it is said, and nothing more leaves."""

    async def forget(route: Route) -> None:
        gone = route.request.method == "PATCH"
        await (route.fulfill(status=404) if gone else route.continue_())

    async with at_desk(browser, office) as desk:
        page = await desk.open()
        await page.route("**/upload/resumable/*", forget)
        await choose(page, "lost.pdf", PDF)
        lost = row(page, "lost.pdf")
        await expect(lost).to_contain_text("has lost what it had", timeout=PATIENCE_MS)
        assert desk.methods.count("POST") == 3


async def test_a_card_is_photographed(browser: Browser, office: Stage) -> None:
    """On a telephone: a photo is looked at, taken again, and sent small and without the place
    where it was taken; what is no picture is said to be none. The page fits, and passes axe."""
    async with at_desk(browser, office, width=390) as desk:
        page = await desk.open()
        await page.get_by_text("Add an insurance card").click()
        front = page.get_by_label("Photo of the front", exact=True)
        assert await front.get_attribute("capture") == "environment"
        await front.set_input_files(photo("blue"))
        form = page.locator("[data-camera=front]")
        await expect(form.locator("canvas")).to_be_visible(timeout=PATIENCE_MS)
        async with page.expect_file_chooser():
            await form.get_by_role("button", name="Take it again").click()
        await expect(form.locator("canvas")).to_be_hidden()
        await front.set_input_files(photo("red"))
        await expect(form.locator("canvas")).to_be_visible(timeout=PATIENCE_MS)
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []
        await form.get_by_role("button", name="Use this photo").click()
        await expect(row(page, "Photo of the front")).to_contain_text(STORED, timeout=PATIENCE_MS)
        await expect(page.get_by_role("table", name="Documents")).to_contain_text(
            "Insurance card, front"
        )
        back = page.get_by_label("Photo of the back", exact=True)
        await back.set_input_files(payload("back.jpg", b"no picture"))
        await expect(page.locator("[data-camera=back]")).to_contain_text(
            "no picture that can be read"
        )
        kept = await desk.content_of("Photo of the front")
    picture = Image.open(io.BytesIO(kept))
    assert (picture.format, max(picture.size)) == ("JPEG", 2400)
    assert not picture.getexif()
    red, _green, blue = picture.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red > 200 > 60 > blue


async def test_without_scripts_it_is_a_form(browser: Browser, office: Stage) -> None:
    """A form's file is kept under its name and shown in the page; one of a wrong type is refused
    in words; a form of another session keeps nothing."""
    async with at_desk(browser, office, scripts=False) as desk:
        page = await desk.open()
        await choose(page, "Überweisung.pdf", PDF)
        await page.get_by_role("button", name="Upload", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text(STORED)
        listed = page.get_by_role("row").filter(has_text="Überweisung.pdf")
        await expect(listed).to_contain_text("by you")
        await choose(page, "letter.pdf", b"MZ" + bytes(600))
        await page.get_by_role("button", name="Upload", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was added: only PDF")
        assert await desk.content_of("Überweisung.pdf") == PDF
        forged = await desk.context.request.post(
            f"{office.url}/documents/add/{office.client}/documents",
            multipart={"csrf": "another", "file": {**payload("forged.pdf", PDF)}},
        )
        assert forged.status == 422
        blamed = "select fault from storage.transfer where outcome = 'InvalidRequest'"
        assert await office.owner.fetchval(blamed) == "asker", "a forged form is no failure of ours"
        assert "forged.pdf" not in await (await desk.context.request.get(desk.address)).text()
        await office.owner.execute("update storage.scan set state = 'waiting'")
        await listed.get_by_role("link").click()
        await expect(page.get_by_role("main")).to_contain_text("It is being checked")
        await expect(page.get_by_role("link", name="Download")).to_have_count(0)
        await office.owner.execute("update storage.scan set state = 'clean'")


async def test_a_client_adds_and_sees_their_own(browser: Browser, office: Stage) -> None:
    """In the portal, in their language: a document is added and looked at in a frame. Another
    client's is not found there; staff read who added it; a biller is shown cards alone."""
    owner = office.owner
    client = await owner.fetchval(
        "update client set language = 'es' where external_id = 'c-1' returning id"
    )
    await create_user(
        owner, "tess@demo.example", "Tess", PASSWORD, [("client", office.lakeside)],
        client_id=client,
    )  # fmt: skip
    others = await owner.fetchval(
        "insert into storage.file (practice_id, bucket_id, name, version, metadata)"
        " values ($1, 'client-documents', $2 || '/x', gen_random_uuid()::text,"
        ' \'{"size": 1, "mimetype": "application/pdf"}\') returning id',
        office.lakeside,
        str(office.client),
    )
    async with at_desk(browser, office, "tess", width=390) as desk:
        page = await desk.context.new_page()
        await page.goto(f"{office.url}/portal/documents")
        await page.get_by_label("Archivo", exact=True).set_input_files(payload("Carta.pdf", PDF))
        await expect(row(page, "Carta.pdf")).to_contain_text("El documento está aquí.")
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []
        async with page.expect_response(lambda got: got.url.endswith("/content")) as framed:
            await page.get_by_role("link", name="Carta.pdf").click()
        shown = await framed.value
        assert shown.headers["content-type"] == "application/pdf"
        assert "frame-ancestors 'self'" in shown.headers["content-security-policy"]
        for path in (f"/portal/documents/{others}", f"/portal/documents/{others}/content"):
            assert (await desk.context.request.get(office.url + path)).status == 404
        staff = f"{office.url}/clients/{client}/documents"
        assert (await desk.context.request.get(staff)).status == 403
    async with at_desk(browser, office, "biller") as desk:
        page = await desk.context.new_page()
        await page.goto(staff)
        await expect(page.get_by_label("Photo of the front", exact=True)).to_be_visible()
        await expect(page.get_by_label("File", exact=True)).to_have_count(0)
        await expect(page.get_by_role("main")).not_to_contain_text("Carta.pdf")
    async with at_desk(browser, office, "admin") as desk:
        page = await desk.context.new_page()
        await page.goto(staff)
        listed = page.get_by_role("row").filter(has_text="Carta.pdf")
        await expect(listed).to_contain_text("by the client")
        assert await violations(page, _CONTRAST) == []


async def test_a_document_under_part_2(browser: Browser, office: Stage) -> None:
    """Marked while it is uploaded, by scripts and by a plain form; listed so in words, as what is
    being checked and what is sealed are; shown with the notice, and taken along with it; unmarked
    by an administrator who says why, and marked again."""
    box = re.compile("^Part 2: a record")
    async with at_desk(browser, office, "admin") as desk:
        page = await desk.open()
        csrf = await page.locator("input[name=csrf]").first.get_attribute("value")
        await desk.context.request.post(
            f"{office.url}/documents/add/{office.client}/documents",
            multipart={"csrf": csrf or "", "label": "part2", "file": payload("By form.pdf", PDF)},
        )
        await page.get_by_label(box).check()
        await choose(page, "Intake.pdf", PDF + b"2")
        await expect(row(page, "Intake.pdf")).to_contain_text(STORED, timeout=PATIENCE_MS)
        await page.get_by_label(box).uncheck()
        await choose(page, "Trap.pdf", b"%PDF-1.7\n<< /S /JavaScript /JS (app.alert(1)) >>\n")
        await choose(page, "Waits.pdf", PDF + b"w")
        await expect(row(page, "Trap.pdf")).to_contain_text("found to be harmful")
        await expect(row(page, "Waits.pdf")).to_contain_text(STORED, timeout=PATIENCE_MS)
        await office.owner.execute(
            "update storage.scan s set state = 'waiting' from storage.file f where f.version ="
            " s.version and f.user_metadata ->> 'display_name' = 'Waits.pdf'"
        )
        await page.reload()
        for name, state, of_them in (
            ("By form.pdf", "Part 2", 1), ("Intake.pdf", "Part 2", 1), ("Waits.pdf", "Part 2", 0),
            ("Trap.pdf", "Sealed: found harmful", 1), ("Waits.pdf", "Being checked", 1),
        ):  # fmt: skip
            badge = page.get_by_role("row").filter(has_text=name).locator(".badge", has_text=state)
            await expect(badge.locator("svg")).to_have_count(of_them)
        assert await violations(page, _WCAG) == []
        await page.get_by_role("link", name="Intake.pdf").click()
        await expect(notice_on(page)).to_contain_text(SHORT)
        # A browser without a viewer downloads what the frame shows, too.
        async with page.expect_download(lambda got: "with=notice" in got.url) as taking:
            await page.get_by_role("link", name="Download with the notice").click()
        with zipfile.ZipFile(await (await taking.value).path()) as bundle:
            assert bundle.read("Intake.pdf") == PDF + b"2"
        await page.set_viewport_size({"width": 390, "height": 850})
        await page.get_by_role("heading", name="Take the Part 2 mark off").click()
        await page.get_by_label("Why").fill("It is a letter of the landlord")
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []
        await page.get_by_role("button", name="Take the mark off").click()
        await expect(page.get_by_role("status")).to_contain_text("The audit has your reason")
        await expect(notice_on(page)).to_have_count(0)
        await page.get_by_role("heading", name="Mark as Part 2").click()
        await page.get_by_role("button", name="Mark as Part 2").click()
        await expect(notice_on(page)).to_contain_text(SHORT)
        await page.goto(desk.address)
        await page.get_by_role("heading", name="A client under Part 2").click()
        await page.get_by_role("button", name="Mark what comes").click()
        await expect(page.get_by_label(box)).to_have_count(0)
        await choose(page, "Comes later.pdf", PDF + b"l")
        later = page.get_by_role("row").filter(has_text="Comes later.pdf")
        await expect(later).to_contain_text("Part 2", timeout=PATIENCE_MS)
        await page.get_by_role("heading", name="A client under Part 2").click()
        await page.get_by_label("Why").fill("Marked by mistake")
        await page.get_by_role("button", name="Mark what comes no more").click()
        await expect(page.get_by_label(box)).to_be_visible()


async def test_the_page_behind_a_link(browser: Browser, office: Stage) -> None:
    """In the language of the client it is for, or as a browser asks, or as one chooses there; with
    the notice above its buttons, one of which gives both in a ZIP. A link that opens nothing says
    so in both languages. Each page fits on a telephone, and passes axe."""
    letter, client = f"client-documents/{office.client}/linked.pdf", await _in_spanish(office)
    storage, pages = f"{office.url}/storage/v1/object", []
    async with at_desk(browser, office, "admin") as desk:
        page = await desk.open()
        csrf = {
            "x-csrf-token": await page.locator("[name=csrf]").first.get_attribute("value") or ""
        }
        headers = {"content-type": "application/pdf", "x-document-label": "part2", **csrf}
        kept = await desk.context.request.post(f"{storage}/{letter}", headers=headers, data=PDF)
        assert kept.ok
        for body in ({"oneTime": True}, {"audience": {"client": str(client)}}):
            made = await desk.context.request.post(
                f"{storage}/sign/{letter}", headers=csrf, data=body
            )
            pages.append(office.url + "/d/" + (await made.json())["page"].rpartition("/")[2])
    once, for_client = pages
    context = await browser.new_context(viewport={"width": 390, "height": 850}, locale="en-US")
    page = await context.new_page()

    async def opens(address: str, heading: str) -> None:
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert await overflow(page) <= 0
        assert await violations(page, _WCAG) == []

    await opens(for_client, "Primero inicie sesión")
    await opens(f"{once[:-4]}xxxx", "This link opens nothing")
    await expect(page.get_by_role("heading", name="Este enlace no abre nada")).to_be_visible()
    await opens(office.url + PAGE, "Notice to accompany disclosure")
    await opens(once, "A document for you")
    above = await notice_on(page).bounding_box()
    below = await page.get_by_role("button", name="Open the document").bounding_box()
    assert above is not None and below is not None and above["y"] < below["y"]
    await page.get_by_role("link", name="En español").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Un documento para usted")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    async with page.expect_download() as taking:
        await page.get_by_role("button", name="Descargar con el aviso").click()
    with zipfile.ZipFile(await (await taking.value).path()) as bundle:
        assert bundle.read("linked.pdf") == PDF
    await opens(once, "This link is over")
    await expect(notice_on(page)).to_contain_text(SHORT)
    await context.close()


def notice_on(page: Page) -> Locator:
    return page.get_by_role("region", name="Protected by federal law")


async def _in_spanish(office: Stage) -> UUID:
    """A client with a log-in, whose language it is."""
    client: UUID = await office.owner.fetchval(
        "insert into client (practice_id, external_id, name, language)"
        " values ($1, 'spanish', 'Inés Prueba', 'es') returning id",
        office.lakeside,
    )
    await create_user(
        office.owner, "ines@demo.example", "Inés", PASSWORD,
        [("client", office.lakeside)], client_id=client,
    )  # fmt: skip
    return client
