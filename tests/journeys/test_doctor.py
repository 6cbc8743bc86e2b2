"""The doctor over a running house: what a provoked failure left, whose it is, and the cure."""

from __future__ import annotations

import re
from datetime import timedelta

import aiohttp

from mentalspace.cli.doctor import WIDTH, screen
from mentalspace.engine.db import connect_owner
from mentalspace.workflows.doctor import Report
from mentalspace.workflows.doctor.witness import ask_around
from tests.console.test_doors import log_in
from tests.house import House, until


async def look(house: House) -> Report:
    [report] = await house.app.doctor(house.services, "email")
    return report


async def _statuses(house: House) -> list[str]:
    return sorted(row["status"] for row in await house.deliveries())


async def test_all_is_well(house: House) -> None:
    """Two practices answered, a domain as it should be, one screen that says so first."""
    await house.book()
    await until(lambda: _is(house, ["delivered"]))
    report = await look(house)
    assert report.ok
    assert report.verdict.whose == "nobody"
    answered = {line.subject for line in report.credentials if line.call.state == "good"}
    assert answered >= {"resend/default", "resend/mesa"}
    assert len(answered) == len(report.credentials)
    assert {f.check for f in report.domain} >= {"SPF", "DKIM", "DMARC"}
    assert screen(report).startswith("Email: WELL.")


async def test_the_seeds_query_shows_what_a_failure_left(house: House) -> None:
    """A mail taken and silent, and one sent back: both rows are there, and name nobody."""
    options = {"lag_min_s": 3600.0, "lag_max_s": 3600.0}
    await house.book("bounced@resend.dev", external_id="a-1")
    await until(lambda: _is(house, ["bounced"]))
    await house.sandbox("PUT", "/options/email/resend", options)
    await house.book("silent.person@demo.example", external_id="a-2")
    await until(lambda: _is(house, ["accepted", "bounced"]))
    report = await look(house)
    seed, failed = report.answers
    assert seed.sql.startswith("-- Check recent email logs\nSELECT * FROM appointment_notif")
    [row] = [dict(zip(seed.columns, row, strict=True)) for row in seed.rows]
    assert (row["status"], row["delivery_status"]) == ("sent", "accepted")
    assert row["recipient_email"] == "s***@***"
    [row] = [dict(zip(failed.columns, row, strict=True)) for row in failed.rows]
    assert (row["delivery_status"], row["recipient_email"]) == ("bounced", "b***@***")
    shown = screen(report)
    assert "s***@***" in shown
    assert "silent.person" not in shown
    assert "lags behind" not in shown
    assert all(len(line) <= WIDTH for line in shown.splitlines())
    assert len(shown.splitlines()) <= 45, shown


async def test_a_broken_record_is_ours_and_says_what_to_publish(house: House) -> None:
    """The provider answers and the record is wrong: the first line says ours, and the value to
    publish stands whole in a line of its own."""
    await house.sandbox("POST", "/dns/break", {"domain": "mentalspace.app", "preset": "dkim_cut"})
    report = await look(house)
    assert report.verdict.whose == "ours"
    [dkim] = [f for f in report.domain if f.check == "DKIM"]
    lines = [line.strip() for line in screen(report).splitlines()]
    assert lines[0].startswith("Email: OURS. DKIM: resend._domainkey.mentalspace.app is cut short")
    assert dkim.publish[0].value in lines
    assert not report.ok


async def test_an_address_that_one_alone_has_is_ours(house: House) -> None:
    """Others reach the provider from here: what was entered is looked at, with the address."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute(
            "update credential set base_url = 'http://127.0.0.1:9' where endpoint = 'mesa'"
            " and provider = 'resend'"
        )
    report = await look(house)
    assert report.verdict.whose == "ours"
    [mesa] = [line.call for line in report.credentials if line.subject == "resend/mesa"]
    assert (mesa.whose, mesa.state) == ("ours", "bad")
    assert mesa.text.endswith("the address is http://127.0.0.1:9")
    assert "others reach it from here" in (mesa.cure or "")


async def test_a_secret_that_nobody_can_open_is_ours_and_the_others_are_asked(house: House) -> None:
    """As after a start with another master key. Whoever reads its incident asks the others too."""
    async with connect_owner(house.services.admin_url) as owner:
        mesa_id = await owner.fetchval(
            "update credential set secrets = set_byte(secrets, 20, 255 - get_byte(secrets, 20))"
            " where endpoint = 'mesa' and provider = 'resend' returning id"
        )
    report = await look(house)
    assert report.verdict.whose == "ours"
    states = {line.subject: line.call.state for line in report.credentials}
    assert (states.pop("resend/mesa"), set(states.values())) == ("bad", {"good"})
    [mesa] = [line.call for line in report.credentials if line.subject == "resend/mesa"]
    assert "cannot be opened: is MENTALSPACE_MASTER_KEY the one" in mesa.text
    witness = await ask_around(house.services, mesa_id, [])
    assert witness is not None
    assert witness.own.text == mesa.text
    assert witness.says == "it answers others and not this credential: more likely ours"


async def test_what_the_evaluator_has_judged_is_told_so(house: House) -> None:
    """Of the same answer one credential's is ours, for its secret was entered just before; the
    others' stays theirs. Where the one before is kept, it is named first."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "down"})
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute(_BLAMED)
    report = await look(house)
    calls = {line.subject: line.call for line in report.credentials}
    assert (calls["resend/mesa"].whose, calls["resend/mesa"].state) == ("ours", "bad")
    assert "what was entered at 2026-11-29 08:15 UTC" in (calls["resend/mesa"].cure or "")
    assert calls["resend/default"].whose == "theirs"
    assert report.verdict.whose == "both"
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute(_KEPT)
    report = await look(house)
    [mesa] = [line.call for line in report.credentials if line.subject == "resend/mesa"]
    assert (mesa.cure or "").startswith("Bring the former one back, on the incident’s page")


_BLAMED = """
insert into incident (key, rule_id, integration, practice_id, credential_id, severity, title, fault,
  since, ack_due_at, facts)
select 'blamed', 'email.consecutive_failures', 'email', practice_id, id, 'high', 'Mails fail',
       'ours', app.now(), app.now(),
       '{"met": "theirs", "entered_at": "2026-11-29T08:15:00+00:00"}'
  from credential where endpoint = 'mesa' and provider = 'resend'
"""


_KEPT = """
insert into credential_former (credential_id, practice_id, base_url, live, test_only, secrets,
                               entered_at, went_well, replaced_at, forget_at)
select id, practice_id, base_url, live, test_only, secrets, created_at, true,
       '2026-11-29T08:15:00+00:00', app.now() + interval '1 day'
  from credential where endpoint = 'mesa' and provider = 'resend'
"""


async def test_test_mode_says_who_switched_it_on_and_what_switching_it_off_does(
    house: House,
) -> None:
    """With the command to type, and to how many something goes then."""
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute(
            "update credential set test_only = true where endpoint = 'mesa' and provider = 'resend'"
        )
        await owner.execute(
            "insert into audit (practice_id, actor, action, data) select practice_id,"
            " 'command line', 'test_mode_begun', '{\"what\": \"email resend\"}'"
            " from credential where endpoint = 'mesa' and provider = 'resend'"
        )
    [found] = [f for f in (await look(house)).findings if f.check == "test mode"]
    assert re.search(
        r"reached, switched on 20\d\d-[-\d]+ \d\d:\d\d UTC by command line", found.text
    )
    assert re.search(
        r"credential test-mode email --practice mesa --provider resend --off: what falls due goes"
        r" out; nobody has anything due in the next 24 hours",
        found.cure or "",
    )


async def test_an_outage_is_theirs_and_their_page_agrees(house: House) -> None:
    """Answers of 503 and a status page that admits it: theirs, said in one line."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "down"})
    lagging = " ".join(screen(await look(house)).split())
    assert "Such a page often lags behind: our own calls to Resend fail all the same." in lagging
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as http:
        await log_in(http, "oncall@demo.example", house.app.demo_password)
        async with http.get("/doctor/email") as page:
            assert "Such a page often lags behind: our own calls to Resend" in await page.text()
    said = {"indicator": "critical", "description": "Email sending is down"}
    await house.sandbox("PUT", "/status-pages/email/resend", said)
    report = await look(house)
    assert report.verdict.whose == "theirs"
    assert "503 service_unavailable" in report.verdict.text
    assert "email.unavailable" in report.verdict.text
    assert "Email sending is down" in screen(report)
    assert "lags behind" not in screen(report)
    states = {f.check: f.state for f in report.findings}
    assert states["status page"] == "bad"


async def test_a_key_that_is_refused_is_the_first_thing_to_mend(house: House) -> None:
    """Ours: what the runbook says to do now, and nothing of a page that lags."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "key_revoked"})
    report = await look(house)
    assert report.verdict.whose == "ours"
    [mesa] = [line.call for line in report.credentials if line.subject == "resend/mesa"]
    assert (mesa.cure or "").startswith("Enter a key that Resend accepts")
    assert "lags behind" not in screen(report)


async def test_webhooks_signed_with_another_secret_are_ours(house: House) -> None:
    """They are refused and kept nowhere; the doctor says so until one holds again."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "hooks_forged"})
    await house.book()
    await until(lambda: _refused(house))
    report = await look(house)
    assert report.verdict.whose == "ours"
    shown = " ".join(screen(report).split())
    assert shown.startswith("Email: OURS. callbacks: ")
    assert "what signs them is not the secret stored here" in shown
    await house.sandbox("DELETE", "/faults")
    await house.book(external_id="a-2")
    await until(lambda: _is_among(house, "delivered"))
    assert not [f for f in (await look(house)).findings if f.check == "callbacks"]


async def test_their_page_alone_is_a_warning(house: House) -> None:
    """While we are answered, what their page reports is told and is nobody's trouble yet."""
    await house.sandbox("PUT", "/status-pages/email/resend", {"indicator": "minor"})
    report = await look(house)
    assert report.ok
    assert "status page: Resend says: Partially Degraded Service" in report.verdict.text


async def test_the_rates_and_the_cost_are_counted(house: House) -> None:
    """After a quarter of an hour a mail counts: rate, time and price, with n beside."""
    for number in range(3):
        await house.book(f"c{number}@demo.example", external_id=f"a-{number}")
    await until(lambda: _is(house, ["delivered"] * 3))
    await house.advance(timedelta(minutes=16))
    report = await look(house)
    shown = screen(report)
    assert re.search(r"^Delivery rate +3 of 3 ", shown, re.MULTILINE)
    assert "0.0027 USD" in shown
    public = report.public()
    [rate] = [
        r for r in public["rates"] if (r["metric"], r["span_s"]) == ("email.delivery_rate", 3600)
    ]
    assert (rate["hits"], rate["n"], rate["value"]) == (3, 3, 1.0)
    assert public["verdict"]["whose"] == "nobody"


async def _is(house: House, wanted: list[str]) -> bool:
    return await _statuses(house) == wanted


async def _refused(house: House) -> bool:
    async with house.services.database.as_oncall() as connection:
        return bool(await connection.fetchval("select exists (select from hook_refusal)"))


async def _is_among(house: House, status: str) -> bool:
    return status in await _statuses(house)
