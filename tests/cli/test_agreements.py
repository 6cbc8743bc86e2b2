"""The register of vendor agreements, and credentials for tests, from the command line."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.cli.actor import login_actor
from tests.cli.commands import environment_of, mentalspace

TWO_DAYS_AGO = str(date.today() - timedelta(days=2))
NEXT_YEAR = str(date.today() + timedelta(days=365))


@pytest.fixture
async def environment(admin_url: str, tmp_path: Path) -> dict[str, str]:
    environment = environment_of(tmp_path, DATABASE_URL=admin_url)
    assert mentalspace(environment, "migrate").returncode == 0
    return environment


async def test_an_agreement_is_recorded_listed_and_revoked(
    environment: dict[str, str], admin: asyncpg.Connection[Any]
) -> None:
    """It holds once recorded and not after it was revoked, and the audit says both."""
    words = ("agreement", "add", "resend", "--practice", "lakeside", "--signed", TWO_DAYS_AGO)
    added = mentalspace(environment, *words, "--expires", NEXT_YEAR, "--reference", "binder 3")
    assert added.returncode == 0, added.stderr
    agreement_id = added.stdout.strip()
    listed = mentalspace(environment, "agreement", "list").stdout
    assert agreement_id in listed
    assert "holds" in listed
    assert mentalspace(environment, "agreement", "revoke", agreement_id).returncode == 0
    assert "revoked" in mentalspace(environment, "agreement", "list").stdout
    again = mentalspace(environment, "agreement", "revoke", agreement_id)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    audited = await admin.fetch("select action, subject from audit where subject is not null")
    assert [tuple(row) for row in audited] == [
        ("agreement_recorded", agreement_id),
        ("agreement_revoked", agreement_id),
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("resend", "--signed", "23.11.2026"), "is no day"),
        (("pigeon", "--signed", TWO_DAYS_AGO), "no vendor of that name"),
        (("resend", "--signed", NEXT_YEAR, "--expires", TWO_DAYS_AGO), "ends after the day"),
    ],
)
async def test_a_mistake_in_it_is_one_line(
    environment: dict[str, str], words: tuple[str, ...], says: str
) -> None:
    """A date that is none, a stranger, an end before the beginning: said, and nothing is kept."""
    done = mentalspace(environment, "agreement", "add", *words, "--practice", "lakeside")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_test_mode_is_switched_and_the_doctor_says_so(
    environment: dict[str, str], admin: asyncpg.Connection[Any]
) -> None:
    """A credential marked for tests says so to the doctor, with who was logged in where it was
    switched; switched off, it reaches everybody."""
    words = ("credential", "test-mode", "email", "--practice", "lakeside")
    assert "only test recipients" in mentalspace(environment, *words).stdout
    switched = (
        "select test_only from credential where endpoint = 'default' and integration = 'email'"
    )
    assert await admin.fetchval(switched)
    findings = json.loads(mentalspace(environment, "doctor", "email", "--json").stdout)["findings"]
    [mode] = [f for f in findings if f["check"] == "test mode"]
    assert (mode["state"], mode["whose"]) == ("warning", "ours")
    assert f" UTC by {login_actor()}" in mode["text"]
    named = (*words[:-1], "Lakeside Counseling", "--off")
    assert "everybody" in mentalspace(environment, *named).stdout
    assert not await admin.fetchval(switched)
    noted = "select action, actor from audit where action like 'test\\_mode%' order by id desc"
    told = [tuple(row) for row in await admin.fetch(noted)]
    assert told == [("test_mode_ended", login_actor()), ("test_mode_begun", login_actor())]
    unknown = mentalspace(environment, "credential", "test-mode", "email", "--practice", "nowhere")
    assert "no such practice" in unknown.stderr


async def test_look_ups_are_switched_and_the_doctor_says_so(
    environment: dict[str, str], admin: asyncpg.Connection[Any]
) -> None:
    """On in a demo, off for a credential stored since; the price is named, and counted by the
    doctor. A provider that knows no numbers is refused."""
    switched = "select looks_up_numbers from credential where integration = 'sms' and endpoint = $1"
    assert await admin.fetchval(switched, "default")
    words = ("credential", "look-up", "sms", "--practice", "lakeside")
    assert "not looked up" in mentalspace(environment, *words, "--off").stdout
    assert not await admin.fetchval(switched, "default")
    assert "0.008 USD each" in mentalspace(environment, *words).stdout
    assert await admin.fetchval(switched, "default")
    await admin.execute(
        "insert into phone_line (practice_id, e164, asked_at, credential_id)"
        " select practice_id, '+1202555014' || n, app.now(), id"
        " from credential, generate_series(1, 5) n"
        " where integration = 'sms' and endpoint = 'default'"
    )
    findings = json.loads(mentalspace(environment, "doctor", "sms", "--json").stdout)["findings"]
    [said] = [f for f in findings if f["check"] == "number look-ups" and "5 numbers" in f["text"]]
    assert said["text"].endswith("0.04 USD")
    none = mentalspace(environment, "credential", "look-up", "email", "--practice", "lakeside")
    assert "does not tell what a number is" in none.stderr
