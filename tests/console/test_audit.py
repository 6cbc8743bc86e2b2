"""The audit's page and the glass, as on-call and an administrator meet them."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from mentalspace.console.audit_csv import COLUMNS, harmless, written
from mentalspace.console.audit_form import Asked
from mentalspace.console.audit_words import details
from mentalspace.console.payload_parts import parts_of
from mentalspace.engine.alert_silence import NewSilence, add_silence, lift_silence
from mentalspace.engine.incidents import acknowledge
from mentalspace.engine.ledger import record
from mentalspace.practice.audit import pay_owed, verify
from mentalspace.practice.audit_search import Entry
from tests.console.stage import CLIENT, NOBODY, Stage
from tests.console.test_doors import NAMES, _csrf, visitor
from tests.console.test_pages import _WCAG, overflow, signed_in, violations

REASON = "The provider calls it malformed and nobody can say why"
EVIL = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", " =cmd|'x'!A0", "\uff1d1"]
)
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    """Whatever begins like a formula begins with an apostrophe instead; the rest is as it was."""
    assert harmless(text) == f"'{text}"


def test_the_file_holds_every_entry_as_text() -> None:
    """Commas, quotes, line breaks and letters of any language come back; formulas do not."""
    reason = '=HYPERLINK("x"), said\nJosé'
    entry = Entry(
        7, datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC), None, None, 3, "me", "payload.opened",
        None, {"reason": reason, "opening": "x"},
    )  # fmt: skip
    text = written([entry], {"me": "-Ada"})
    assert text.startswith("\ufeff")
    head, row = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert tuple(head) == COLUMNS
    told = dict(zip(head, row, strict=True))
    assert (told["who"], told["more"], told["at"]) == (
        "'-Ada", f"'{reason}", "2026-11-23T03:04:05+00:00",
    )  # fmt: skip
    assert harmless("Ada - Moreno") == "Ada - Moreno"


def test_days_are_the_practices_own() -> None:
    """Both days are looked through whole, on the day with 25 hours too; a last day before the first
    is said to be one."""
    zone = "America/Chicago"
    day = {"since": "2026-11-01", "until": "2026-11-01", "about": str(NOBODY).replace("-", "")}
    asked = Asked.read(lambda name: day.get(name, ""), zone)
    search = asked.search()
    assert (search.since, search.until) == (
        datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2026, 11, 2, 6, tzinfo=UTC),
    )  # fmt: skip
    assert (search.subject, asked.about, asked.problems()) == (NOBODY, str(NOBODY), [])
    assert asked.address(before=7).endswith("since=2026-11-01&until=2026-11-01&before=7")
    day["until"] = "2026-10-31"
    turned = Asked.read(lambda name: day.get(name, ""), zone)
    assert turned.problems() == ["“To the day” lies before “From the day”"]


ICS = "BEGIN:VEVENT\r\nDESCRIPTION:see http://h.example/a/SEC\r\n RET in José’s mail\r\n"
FILE = json.dumps({"files": [{"name": "i.ics", "content": b64encode(ICS.encode()).decode()}]})
UNFOLDED = "BEGIN:VEVENT\n  DESCRIPTION:see http://h.example/… in José’s mail\n"
NESTED = b'{"a":' * 900 + b"1" + b"}" * 900
LINK = b'{"text": "see http://h.example/a/SECRET or http://h.example."}'
PAYLOADS = {
    "json": (
        b'{"cc": [], "n": [1, null], "to": "a@x.example", "try": 0}',
        [("to", "a@x.example"), ("try", "0"), ("n", "1\nnull")],
    ),
    "form": (b"From=%2B1312&Body=Hi+there", [("From", "+1312"), ("Body", "Hi there")]),
    "bytes": (b"\xff\x00 no form", [("content", "\ufffd\ufffd no form")]),
    "deep": (b"[" * 20_000, [("content", "[" * 20_000)]),
    "turned": (b"a \xe2\x80\xae b", [("content", "a \ufffd b")]),
    "nested": (NESTED, [("content", NESTED.decode())]),
    "file": (FILE.encode(), [("files", f"name: i.ics\ncontent: \n  {UNFOLDED}")]),
    "link": (LINK, [("text", "see http://h.example/… or http://h.example.")]),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_is_lines_of_text(name: str) -> None:
    """JSON and forms by their names, anything else whole, no links of ours, nothing unprintable;
    and what stood behind a webhook's address."""
    body, says = PAYLOADS[name]
    assert parts_of(body, "", "http://h.example/") == says
    assert parts_of(body, "a=b", "http://h.example") == [*says, ("a (address)", "b")]


async def _say_something_evil(stage: Stage) -> None:
    body = json.dumps({"subject": f"For {CLIENT}", "html": EVIL}).encode()
    await stage.owner.execute(
        "update delivery set payload = $2 where id = $1",
        stage.held,
        stage.services.vault.seal(stage.lakeside, "delivery", body),
    )


@pytest.mark.browser
@pytest.mark.database
async def test_on_call_breaks_the_glass(browser: Browser, stage: Stage) -> None:
    """From the message through a reason to what it says, as text; a banner while it is open; after
    a quarter of an hour it is gone from the page; the administrator sees who, why and each look."""
    await _say_something_evil(stage)
    async with signed_in(browser, stage, "oncall", width=390) as page:
        await page.goto(f"{stage.url}/messages/{stage.held}")
        await page.get_by_role("link", name="Read what it says").click()
        main = page.get_by_role("main")
        assert await violations(page, _WCAG) == []
        await page.get_by_label("Why must you read it?").fill(REASON)
        await page.get_by_role("button", name="Read it for 15 minutes").click()
        await expect(main.get_by_role("region", name="What it says")).to_contain_text(EVIL)
        await expect(main).to_contain_text(CLIENT)
        await expect(page).to_have_title(re.compile("What a held message says"))
        await expect(main).to_contain_text("You may read what a held message says until")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
        looks = "select count(*) from audit where action = 'payload.read'"
        await page.wait_for_timeout(2500)
        assert await stage.owner.fetchval(looks) == 1, "a page that refreshes itself is one look"
        async with visitor(stage, "admin") as http:
            async with http.get("/tasks") as answer:
                text = await answer.text()
                assert "Noor Haddad (on call) opened what a held message says" in text
                assert "Noor Haddad (on-call engineer) may read" in text and REASON in text
            async with http.get(f"/payloads/message/{stage.held}") as answer:
                assert "Why must you read it?" in await answer.text(), "the opening is not theirs"
            async with http.get(f"/audit?about={stage.held}") as answer:
                text = await answer.text()
                assert "Read what is held" in text and REASON in text and "Noor Haddad" in text
        async with visitor(stage, "frontdesk") as http:
            for path in (f"/payloads/message/{stage.held}", "/audit", "/audit.csv"):
                async with http.get(path) as answer:
                    assert (path, answer.status) == (path, 403)
            async with http.get("/tasks") as answer:
                assert REASON not in await answer.text()
        await page.route("**/*fragment=1*", lambda route: route.abort())
        await page.evaluate(
            "document.querySelector('[data-gone-at]').dataset.goneAt = '2020-01-01'"
        )
        await expect(main).to_contain_text("The time is over")
        await expect(main).not_to_contain_text(CLIENT)  # though nobody answers
        await page.unroute_all()
        await page.reload()
        await expect(main).to_contain_text(CLIENT)
        await stage.owner.execute("select app.advance_clock(interval '15 min')")
        await expect(main.get_by_role("region", name="Closed")).to_be_visible(timeout=8000)
        await expect(main).not_to_contain_text(CLIENT)
        assert await stage.owner.fetchval(looks) == 2


@pytest.mark.browser
@pytest.mark.database
async def test_the_audit_is_searched_and_taken_away(browser: Browser, stage: Stage) -> None:
    """An administrator finds by who, what and whom, page by page, and takes it away; on-call sees
    every practice and nobody's name; looking is itself written down."""
    async with visitor(stage, "frontdesk") as http:
        for _ in range(3):
            async with http.get(f"/clients/{stage.client}") as answer:
                assert answer.status == 200
    sam = await stage.owner.fetchval("select id from app_user where name = 'Sam Whitfield'")
    for number in range(60):
        await stage.owner.execute(
            "insert into audit (practice_id, actor, action, subject) values ($1, $2, $3, $4)",
            stage.lakeside, str(sam), "tasks.read", f"n-{number}",
        )  # fmt: skip
    await stage.owner.execute(
        "insert into audit (practice_id, actor, action) values ($1, '=cmd', 'client.made')",
        stage.mesa,
    )
    async with signed_in(browser, stage, "admin", width=390) as page:
        await page.goto(f"{stage.url}/clients/{stage.client}")
        await page.get_by_role("link", name="Who read or changed this").click()
        main = page.get_by_role("main")
        # three of the front desk's, and the administrator's own just now
        await expect(main).to_contain_text("4 entries")
        await expect(main.get_by_role("row", name=CLIENT).first).to_be_visible()
        await page.get_by_text("Search by who").click()
        await page.get_by_label("Who", exact=True).select_option("Sam Whitfield")
        await page.get_by_label("Did what").select_option("Read a client’s page")
        await page.get_by_role("button", name="Search").click()
        await expect(main).to_contain_text("3 entries")
        await page.get_by_text("Search by who").click()
        await page.get_by_label("About (an id)").fill("")
        await page.get_by_label("Did what").select_option("Read the tasks")
        await page.get_by_role("button", name="Search").click()
        await expect(main).to_contain_text("50 entries, and there are older ones")
        await page.get_by_role("link", name="Older entries").click()
        await expect(main).to_contain_text("10 entries")
        assert await violations(page, _WCAG) == []
        assert await overflow(page) <= 0
    async with visitor(stage, "admin") as http:
        async with http.get("/audit.csv?what=tasks.read") as answer:
            assert answer.headers["content-disposition"].startswith('attachment; filename="audit-')
            rows = list(csv.DictReader(io.StringIO((await answer.text()).lstrip("\ufeff"))))
        assert len(rows) == 60
        assert {row["who"] for row in rows} == {"Sam Whitfield"}
        async with http.get("/audit?who=%00&since=never&before=x") as answer:
            text = await answer.text()
            assert answer.status == 422, "what cannot be looked for is said, and not left out"
            assert text.count(" takes ") == 2 and "The link is not whole" in text
            assert 'role="cell"' not in text
    async with visitor(stage, "oncall") as http:
        async with http.get("/audit") as answer:
            text = await answer.text()
        async with http.get("/audit.csv") as answer:
            text += await answer.text()
        assert "Mesa" in text and "'=cmd" in text
        assert [name for name in (*NAMES, "Sam Whitfield") if name in text] == []
    written_down = await stage.owner.fetch(
        "select action, practice_id from audit where action like 'audit.%' order by id"
    )
    assert ("audit.exported", stage.lakeside) in [tuple(row) for row in written_down]
    assert ("audit.read", None) in [tuple(row) for row in written_down]


@pytest.mark.database
async def test_a_held_webhook_is_found_and_read(stage: Stage) -> None:
    """Dead letters lists it to whoever may open it; of what was not held nothing opens."""
    hook: UUID = await stage.owner.fetchval(
        "insert into inbox (practice_id, credential_id, integration, provider, external_id,"
        " payload, state, held_reason) select practice_id, id, integration, provider, 'x', $2,"
        " 'held', 'cannot be read: body' from credential where practice_id = $1"
        " and integration = 'sms' limit 1 returning id",
        stage.mesa,
        stage.services.vault.seal(stage.mesa, "inbox", b"From=%2B13125550142&Body=Hello+there"),
    )
    path = f"/payloads/webhook/{hook}"
    async with visitor(stage, "oncall") as http:
        async with http.get("/dead-letters") as answer:
            text = await answer.text()
            assert path in text and "cannot be read: body" in text
        csrf = re.search(r'name="csrf" value="([^"]*)"', text)
        assert csrf
        for reason, status, says in (("why", 422, "say why"), (REASON, 200, "Hello there")):
            async with http.post(path, data={"csrf": csrf[1], "reason": reason}) as answer:
                assert answer.status == status
                assert says.lower() in (await answer.text()).lower()
        delivered = f"/payloads/message/{stage.delivered}"
        for wrong, status in ((delivered, 403), ("/payloads/secret/x", 404)):
            async with http.get(wrong) as answer:
                assert (wrong, answer.status) == (wrong, status)
    async with visitor(stage, "admin") as http, http.get(path) as answer:
        assert answer.status == 404, "another practice's"


@pytest.mark.database
async def test_what_a_person_does_at_night_is_in_the_audit(stage: Stage) -> None:
    """Taken, held back, noted, silenced, closed: each is found by who, and about the incident, by
    the practice it is of, too; without the words that people wrote, which may say too much."""
    await stage.owner.execute("update lane set state = 'open', paused_case = null")
    await stage.owner.execute("update incident set practice_id = $1", stage.lakeside)
    step = await stage.owner.fetchval("select id from incident_task where position = 1")
    path, here = f"/incidents/{stage.incident}", {"csrf": ""}
    async with visitor(stage, "oncall") as http:
        here["csrf"] = await _csrf(http)
        reason = {"reason": "why it was done", "minutes": "60"}
        for act, fields in (
            (f"{path}/acknowledge", {}),
            (f"{path}/acts/pause", reason),
            (f"/incidents/steps/{step}/done", {"note": "why it was done"}),
            (f"/messages/{stage.held}/release", {}),
            (f"{path}/archive", {}),
            (f"{path}/resolve", {}),
        ):
            async with http.post(act, data={**here, **fields}) as answer:
                assert answer.status == 200, act
    async with stage.services.database.as_oncall() as connection:
        new = NewSilence("email.credential_refused", None, None, "why", timedelta(hours=1))
        silence = await add_silence(connection, stage.services.runbooks, new, "command line")
        await lift_silence(connection, silence, "command line")
    rows = await stage.owner.fetch(
        "select action, actor, subject, practice_id, data from audit where action ~"
        " '^(incident|message|silence)[.]' order by id"
    )
    noor = str(await stage.owner.fetchval("select id from app_user where name = 'Noor Haddad'"))
    about, theirs = str(stage.incident), stage.lakeside
    assert [tuple(row)[:4] for row in rows] == [
        ("incident.acknowledged", noor, about, theirs),
        ("incident.pause", noor, about, stage.mesa),
        ("incident.step_done", noor, about, theirs),
        ("message.released", noor, str(stage.held), theirs),
        ("incident.archived", noor, about, theirs),
        ("incident.resolved", noor, about, theirs),
        ("silence.made", "command line", str(silence), None),
        ("silence.lifted", "command line", str(silence), None),
    ]
    assert "why it was done" not in str(rows)
    for who in ("oncall", "admin"):
        async with visitor(stage, who) as http, http.get("/audit") as page:
            text = await page.text()
            assert (page.status, "Took an incident" in text, "Noor Haddad" in text) == (
                200, True, True,
            )  # fmt: skip
            assert f'href="/incidents/{stage.incident}"' in text


@pytest.mark.database
async def test_what_goes_on_by_itself_is_left_out_until_it_is_asked_for(stage: Stage) -> None:
    """Every few seconds something is added by nobody: the page shows what people did, says so, and
    shows all of it on a link."""
    await stage.owner.execute(
        "insert into audit (practice_id, actor, action) select $1, $2, 'document_stored'"
        " from generate_series(1, 60)",
        stage.lakeside,
        str(NOBODY),
    )
    added = "MentalSpace itself</td>"
    async with visitor(stage, "admin") as http:
        async with http.get("/audit") as page:
            text = await page.text()
        assert (added in text, "Logged in" in text) == (False, True)
        assert "What MentalSpace did itself is left out." in text
        async with http.get("/audit?itself=yes") as page:
            text = await page.text()
        assert text.count(added) > 40
        assert "itself=yes&amp;before=" in text
        async with http.get(f"/audit?who={NOBODY}") as page:
            assert (await page.text()).count(added) == 50


@pytest.mark.browser
@pytest.mark.database
async def test_a_telephone_shows_no_line_that_says_nothing(browser: Browser, stage: Stage) -> None:
    """An entry about nobody, of no practice, is two lines: who, and what."""
    async with signed_in(browser, stage, "oncall", width=390) as page:
        await page.goto(f"{stage.url}/audit")
        cells = page.get_by_role("row").nth(1).locator("td:visible")
        assert await cells.evaluate_all("cells => cells.map(cell => cell.dataset.label)") == [
            "Who", "Did what",
        ]  # fmt: skip
        await page.set_viewport_size({"width": 1280, "height": 850})
        await expect(page.get_by_role("row").nth(1).locator("td:visible")).to_have_count(5)


@pytest.mark.database
async def test_a_lock_keeps_no_act_out_of_the_audit(stage: Stage) -> None:
    """An incident is taken while somebody else holds the audit's chains; a minute later the audit
    has it, and its chain holds."""
    await stage.owner.execute("update incident set practice_id = $1", stage.lakeside)
    taken = "select count(*) from audit where action = 'incident.acknowledged'"
    await stage.owner.execute("begin; lock table audit_head in access exclusive mode")
    try:
        async with stage.services.database.as_oncall() as connection:
            assert await acknowledge(connection, stage.incident, "noor")
    finally:
        await stage.owner.execute("rollback")
    assert await stage.owner.fetchval(taken) == 0
    assert await pay_owed(stage.services.database) == 1
    assert await pay_owed(stage.services.database) == 0
    assert await stage.owner.fetchval(taken) == 1
    assert all(chain.broken_at is None for chain in await verify(stage.services.database))


@pytest.mark.database
async def test_what_is_done_to_many_at_once_is_one_entry(stage: Stage) -> None:
    """A replay of thousands of messages; one let go on by itself is an entry of its own."""
    async with stage.services.database.as_oncall() as connection:
        for data in ({"replay": "r"}, {"replay": "r"}, {}):
            await record(
                connection, "released", practice_id=stage.lakeside, delivery_id=stage.held,
                data=data, actor="noor",
            )  # fmt: skip
        await record(connection, "resolved", incident_id=stage.incident, actor="dispatcher")
    found = await stage.owner.fetch(
        "select action, subject from audit where actor in ('noor', 'dispatcher') order by id"
    )
    assert [tuple(row) for row in found] == [
        ("messages.released", None),
        ("message.released", str(stage.held)),
    ]


def test_a_recipient_is_told_as_it_was_given() -> None:
    """Whom something was disclosed to is a name: it keeps its capitals, where a code is put in
    words."""
    told = details({"purpose": "not_stated", "recipient": "County Hospital", "role": "biller"})
    assert told == "purpose: not stated, recipient: County Hospital"
