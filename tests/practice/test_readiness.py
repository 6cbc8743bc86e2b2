"""The list of what is missing before anything goes live."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, TypeAlias

import asyncpg

from mentalspace.engine.agreement import NewAgreement, add_agreement
from mentalspace.engine.credentials import NewCredential, save_credential, set_test_only
from mentalspace.kernel.settings import Mode
from mentalspace.main import _tell_what_waits
from mentalspace.practice.identity import create_user
from mentalspace.practice.tenancy import ensure_practice
from mentalspace.workflows.readiness import Point, examine_readiness
from tests.practice.office import Office

Admin: TypeAlias = "asyncpg.Connection[Any]"


async def _points(office: Office, **environment: str) -> dict[str, list[Point]]:
    """By subject, as a production with these settings would be told."""
    settings = replace(office.services.settings, mode=Mode.PRODUCTION, environment=environment)
    found: dict[str, list[Point]] = {}
    for point in await examine_readiness(replace(office.services, settings=settings)):
        found.setdefault(point.subject, []).append(point)
    return found


async def test_the_list_gets_shorter_as_things_are_done(office: Office, admin: Admin) -> None:
    """No live credential, then test only, then no agreement, then nobody responsible, then done."""
    practice_id = await ensure_practice(admin, "harbor", name="Harbor", timezone="UTC")
    assert [p.text for p in (await _points(office))["harbor"]] == [
        "Email: no live credential",
        "SMS: no live credential",
        "File storage: no live credential",
        "nobody is administrator",
    ]
    resend = office.services.rooms["email"].provider("resend")
    live = NewCredential(
        practice_id, "email", "harbor", "https://api.resend.example", True,
        {"api_key": "re_1", "webhook_secret": "whsec_MQ=="}, test_only=True,
    )  # fmt: skip
    await save_credential(admin, office.services.vault, resend, live)
    test_only = (await _points(office))["harbor"][0]
    assert (test_only.state, "test only" in test_only.text) == ("bad", True)
    await set_test_only(admin, "email", "harbor", False)
    missing = (await _points(office))["harbor"][0]
    assert (missing.state, "no agreement holds" in missing.text) == ("bad", True)
    assert missing.cure == "mentalspace agreement add resend --practice harbor --signed DAY"
    new = NewAgreement(practice_id, "resend", date(2026, 1, 2), None, "")
    await add_agreement(admin, new, "Ada")
    await create_user(
        admin, "ada@harbor.example", "Ada", "correct horse", [("administrator", practice_id)]
    )
    assert [(p.state, p.text) for p in (await _points(office))["harbor"]] == [
        ("good", "Email, Resend: live, under an agreement without an end"),
        ("warning", "SMS: no live credential"),
        ("warning", "File storage: no live credential"),
        ("warning", "1 of 1 have no second factor yet; their next log-in asks for it"),
    ]
    await admin.execute(
        "insert into second_factor (user_id, secret, enrolled_at) select id, '\\x01', now()"
        " from app_user where email = 'ada@harbor.example'"
    )
    assert (await _points(office))["harbor"][-1].text == "all 1 have a second factor"


async def test_a_sender_for_tests_is_told(office: Office) -> None:
    """Resend's onboarding address reaches no client, whatever else is in place."""
    [sender] = (await _points(office, EMAIL_FROM="onboarding@resend.dev"))["sender"]
    assert sender.state == "bad"
    assert "sender" not in await _points(office, EMAIL_FROM="noreply@harbor.example")


async def test_whether_anybody_outside_listens_is_told(office: Office) -> None:
    """Without a dead man's switch the silence of everything is nobody's alarm."""
    cure = "set MENTALSPACE_HEARTBEAT_URL to the address of a dead man's switch"
    assert cure in [point.cure for point in (await _points(office))["pages"]]
    settings = replace(office.services.settings, heartbeat_url="https://hc.example/ping/1")
    points = await examine_readiness(replace(office.services, settings=settings))
    assert cure not in [point.cure for point in points]


async def test_a_demo_is_told_what_production_lacks(office: Office) -> None:
    """A demo is never ready; the settings that production needs are named, the drills counted."""
    points = await examine_readiness(office.services)
    texts = [point.text for point in points if point.subject == "settings"]
    assert "this is a demo" in texts
    assert "SITE_URL: production needs it" in texts
    assert any(p.subject == "drills" and "were never run here" in p.text for p in points)


async def test_production_says_at_its_start_what_waits(office: Office, admin: Admin) -> None:
    """Each live credential without an agreement is one line, and no other is."""
    said: list[str] = []
    await _tell_what_waits(office.services.admin_url, said.append)
    assert said == []
    await admin.execute(
        "update credential set live = true where endpoint = 'mesa' and provider = 'resend'"
    )
    await _tell_what_waits(office.services.admin_url, said.append)
    assert said == ["agreement: none holds for email resend/mesa; what names clients waits"]
