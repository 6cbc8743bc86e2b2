"""Several incidents that have to do with each other, through the whole house: told as one, whom
they touch counted once, and alike wherever somebody looks."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp

from mentalspace.cli.incidents import _shown
from mentalspace.console.post_mortem import post_mortem, read_told
from mentalspace.engine.db import connect_owner
from mentalspace.engine.document import to_markdown
from mentalspace.kernel.phi import Phi
from mentalspace.workflows.appointments import book as book_one
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.doctor import examine
from tests.house import House, new_appointment, until, write_agreements
from tests.journeys.test_failover import book, page, person

_BOTH = "Both ways out of Lakeside Counseling are out"
_FIVE = "Five mails in a row failed"
_NO_ANSWER = (("email", "resend"), ("email", "smtp"), ("sms", "twilio"), ("storage", "supabase"))


async def test_both_ways_out_of_a_practice_are_told_as_one(house: House) -> None:
    """Resend answers 503 and the relay breaks off: two incidents that bear their providers' names,
    and one line that says whom both touch, when the first comes, and that nothing leaves."""
    await _fail_over_at_once(house)
    await _break(house, "email", "resend", kind="status", http=503)
    await _break(house, "email", "smtp", kind="reset")
    await book(house, range(8))
    found = await until(lambda: _opened(house, 2), within_s=90)
    resend, relay = (found[provider] for provider in ("resend", "smtp"))
    both = "8 people are touched by both together, none counted twice; none of them reached yet"
    async with person(house) as http:
        fleet = await _text(http, "/")
        assert f"{_BOTH}: {_FIVE}: Resend and {_FIVE}: SMTP relay. {both}" in fleet
        assert fleet.count(both) == 1
        steps = {resend: "Check Resend status", relay: "See whether SMTP relay answers"}
        for id_, other in ((resend, "SMTP relay"), (relay, "Resend")):
            told = await _text(http, f"/incidents/{id_}")
            assert f"{_BOTH}: this and {_FIVE}: {other}. {both}" in told
            assert "No mail leaves meanwhile." in told
            answer = await (await http.get(f"/v1/incidents/{id_}")).json()
            assert answer["facts"]["first_step"] == steps[id_]
            [together] = answer["together"]
            assert (together["kind"], together["people"], together["leaves_by"]) == ("ways", 8, [])
            assert answer["touched"]["people"] <= 8
            assert both in together["says"]
        paper = to_markdown(post_mortem(await read_told(house.services, relay)))
        assert both in paper
        shown = " ".join((await _shown(house.services, relay)).split())
        assert f"{_FIVE}: SMTP relay" in shown and both in shown
        checks = (await examine(house.services, "email"))[0].checks
        assert [one.check for one in checks if both in one.text] == ["ways out"]


async def test_no_way_out_is_one_sum_over_mails_texts_and_copies(house: House) -> None:
    """No provider answers: of six clients all wait for a mail and one for a text too; they are six,
    on the fleet's head, on the incident's page, in the doctor and at the command line."""
    for room, provider in _NO_ANSWER:
        await _break(house, room, provider, kind="reset")
    await book(house, range(6))
    await _book_by_text(house, "client0@demo.example")
    incident = await until(lambda: _opened(house, 1), within_s=90)
    summed = (
        "6 people are touched by all of it together, none counted twice: 6 by a mail, 1 by a"
        " text; none of them has got it yet, the next appointment among them"
    )
    async with person(house) as http:
        await until(lambda: _says(http, "/", summed), within_s=60, every_s=1)
        told = await _text(http, f"/incidents/{next(iter(incident.values()))}")
    assert "One cause, our way out: this" in told and summed in told
    for room in ("email", "sms", "storage"):
        [finding] = [
            f for f in (await examine(house.services, room))[0].findings if f.check == "way out"
        ]
        assert summed in finding.text, room
    shown = await _shown(house.services, next(iter(incident.values())))
    assert summed in " ".join(shown.split())


async def _break(house: House, room: str, provider: str, **fault: Any) -> None:
    await house.sandbox("POST", "/faults", {"room": room, "provider": provider, **fault})


async def _fail_over_at_once(house: House) -> None:
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential set fail_over_after_s = 1")


async def _book_by_text(house: House, client: str) -> None:
    """One more appointment of a client who has chosen texts since, where it is noon."""
    now = house.services.clock.now()
    new = replace(
        new_appointment(client, now + timedelta(hours=20), "called-off"),
        client_phone=Phi("+12025550147"),
        client_timezone=f"Etc/GMT{now.hour - 12:+d}",
    )
    claims = system_claims(house.practice_id)
    await book_one(house.services, claims, replace(new, status="cancelled"))
    async with connect_owner(house.services.admin_url) as owner:
        await write_agreements(owner)
        await owner.execute(
            "update client set changes_by = 'text', reminders_by = 'text', text_agreed_at = now()"
            " where phone is not null"
        )
    await book_one(house.services, claims, replace(new, external_id="by-text"))


async def _opened(house: House, number: int) -> dict[str, Any] | None:
    """By provider, once there are so many that last."""
    found = {
        row["facts"]["provider"]: row["id"]
        for row in await house.incidents()
        if row["recovered_at"] is None
    }
    return found if len(found) >= number else None


async def _text(http: aiohttp.ClientSession, path: str) -> str:
    text = html.unescape(re.sub(r"<[^>]+>", "", await page(http, path)))
    return re.sub(r"\s+", " ", text)


async def _says(http: aiohttp.ClientSession, path: str, said: str) -> bool:
    return said in await _text(http, path)
