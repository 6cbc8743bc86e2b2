"""Incidents that somebody takes from the command line, also while a table is locked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.main import MentalSpace
from tests.cli.commands import environment_of, mentalspace


@pytest.fixture
async def environment(admin_url: str, tmp_path: Path) -> dict[str, str]:
    """Of an installation whose database is migrated and holds the demo's practices."""
    environment = environment_of(tmp_path / "home", DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    return environment


@pytest.fixture
async def incident(environment: dict[str, str], admin: asyncpg.Connection[Any]) -> UUID:
    """An open one of a practice that leads another; nobody has it."""
    lead: UUID = await admin.fetchval(_MAKE, "lead", None)
    await admin.fetchval(_MAKE, "led", lead)
    return lead


_MAKE = """
insert into incident (key, rule_id, integration, practice_id, severity, title, fault, since,
  ack_due_at, next_escalation_at, resolve_within_s, resolve_due_at, lead_id)
select $1, 'email.x', 'email', id, 'high', 'Mails are late', 'theirs', app.now(),
       app.now() + interval '5 min', app.now() + interval '5 min', 3600,
       app.now() + interval '1 hour', $2
  from practice where slug = 'mesa' returning id
"""


@pytest.fixture(params=["credential", "credential_state", "lane", "delivery", "page"])
async def locked(
    request: pytest.FixtureRequest, incident: UUID, admin_url: str
) -> AsyncIterator[str]:
    """A table that somebody else holds, all of it, for the length of a test."""
    holder = await asyncpg.connect(admin_url)
    try:
        await holder.execute(f"begin; lock table {request.param} in access exclusive mode")
        yield request.param
    finally:
        await holder.close()


async def run(environment: dict[str, str], *words: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(mentalspace, environment, "incident", *words)


async def test_it_is_found_and_taken_while_a_table_is_locked(
    environment: dict[str, str], incident: UUID, locked: str, admin: asyncpg.Connection[Any]
) -> None:
    """The list shows it and `acknowledge` takes it, with all it leads, though the lock still holds;
    it pages nobody further."""
    listed = await run(environment, "list")
    assert str(incident) in listed.stdout, (locked, listed.stderr)
    taken = await run(environment, "acknowledge", str(incident))
    assert taken.stdout.startswith("acknowledged by command line, until 20"), taken.stderr
    assert taken.stdout.endswith("UTC: Mails are late\n")
    rows = await admin.fetch(
        "select status, acknowledged_by, next_escalation_at is null as is_quiet from incident"
    )
    assert [tuple(row) for row in rows] == 2 * [("acknowledged", "command line", True)]


async def test_the_list_says_what_came_back_what_is_over_and_what_belongs_together(
    environment: dict[str, str], incident: UUID, admin: asyncpg.Connection[Any]
) -> None:
    """As the console's list does: so that nobody has to open each of them."""
    await admin.execute(
        "insert into timeline (incident_id, kind, actor) values ($1, 'incident_regressed', 'x')",
        incident,
    )
    over = await admin.fetchval(_MAKE, "over", None)
    await admin.execute("update incident set recovered_at = app.now() where id = $1", over)
    listed = await run(environment, "list")
    states = {line.split()[0]: line for line in listed.stdout.splitlines()[2:]}
    led = next(line for name, line in states.items() if name not in (str(incident), str(over)))
    assert "open, came back" in states[str(incident)], listed.stderr
    assert "over, not closed" in states[str(over)]
    assert f"open, with {str(incident)[:8]}" in led
    assert "came back" not in led


async def test_it_is_taken_and_closed_in_somebodys_name(
    environment: dict[str, str], incident: UUID, admin: asyncpg.Connection[Any]
) -> None:
    """The timeline names the person, and that nobody had signed in; a second time changes nothing
    and says who has it."""
    name, email = await admin.fetchrow(
        "select name, email from app_user u join membership m on m.user_id = u.id"
        " where m.role = 'oncall' order by email limit 1"
    )
    by = ("--by", email.upper())
    taken = await run(environment, "acknowledge", str(incident), *by)
    assert f"acknowledged by {name} (command line)" in taken.stdout, taken.stderr
    again = await run(environment, "acknowledge", str(incident))
    assert again.returncode == 0
    assert f"nothing changed, it is acknowledged already, by {name}" in again.stdout
    closed = await run(environment, "resolve", str(incident), *by)
    assert closed.stdout == f"resolved by {name} (command line): Mails are late\n"
    told = await admin.fetch(
        "select kind, actor from timeline where incident_id = $1 order by id", incident
    )
    whose = f"{name} (command line)"
    assert [tuple(row) for row in told] == [("acknowledged", whose), ("resolved", whose)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("acknowledge", "night"), "an incident's id is a UUID"),
        (("resolve", str(UUID(int=7))), "mentalspace incident list"),
    ],
)
async def test_what_is_no_incident_is_refused(
    environment: dict[str, str], words: tuple[str, ...], says: str
) -> None:
    """In one line that says what to do."""
    refused = await run(environment, *words)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert says in refused.stderr


async def test_nobody_takes_it_in_a_strangers_name(
    environment: dict[str, str], incident: UUID, admin: asyncpg.Connection[Any]
) -> None:
    """Whoever is not on call has no incident; it stays open."""
    refused = await run(environment, "acknowledge", str(incident), "--by", "frontdesk@demo.example")
    assert refused.returncode == 2
    assert "nobody who is on call" in refused.stderr
    assert await admin.fetchval("select status from incident where id = $1", incident) == "open"


@pytest.mark.parametrize("table", ["incident", "practice", "timeline"])
async def test_with_what_it_needs_locked_it_is_taken_and_says_by_whom(
    environment: dict[str, str],
    incident: UUID,
    admin_url: str,
    admin: asyncpg.Connection[Any],
    table: str,
) -> None:
    """It is owed: that is said in seconds, with who is in the way and how to end it. It cannot be
    closed, and that is said as well. The list needs no practice."""
    settings = {"application_name": "nightly-cleanup"}
    holder = await asyncpg.connect(admin_url, server_settings=settings)
    try:
        await holder.execute(f"begin; lock table {table} in access exclusive mode")
        taken = await run(environment, "acknowledge", str(incident))
        assert (taken.returncode, taken.stdout.splitlines()[0]) == (
            0,
            "Taken: it pages nobody further. It is written down once the lock is gone."
            " By command line.",
        )
        assert f"table {table} locked by pid" in taken.stdout
        stopped = await run(environment, "resolve", str(incident))
        assert (stopped.returncode, stopped.stdout) == (2, "")
        assert f"table {table} locked by pid" in stopped.stderr
        assert "nightly-cleanup" in stopped.stderr
        assert "pg_terminate_backend" in stopped.stderr
        listed = await run(environment, "list")
        assert (str(incident) in listed.stdout) == (table != "incident")
    finally:
        await holder.close()
    owed = await admin.fetch("select incident_id, actor from acknowledgement_owed")
    assert [tuple(row) for row in owed] == [(incident, "command line")]


async def test_one_is_shown_with_whose_it_is_and_what_to_do_now(
    environment: dict[str, str], incident: UUID, admin: asyncpg.Connection[Any]
) -> None:
    """As its page and its post-mortem say it; of test mode who switched it on."""
    await admin.execute(
        "update incident set fault = 'ours', facts = jsonb_build_object('first_step', 'look',"
        " 'met', 'theirs', 'entered_at', '2026-11-29T08:15:00+00:00', 'test_mode',"
        " jsonb_build_object('at', '2026-11-29T08:15:00+00:00', 'by', 'command line', 'by_hand',"
        " true)) where id = $1",
        incident,
    )
    shown = await run(environment, "show", str(incident))
    lines = shown.stdout.splitlines()
    assert lines[0] == "Mails are late (times are UTC)", shown.stderr
    [whose] = [line for line in lines if line.startswith("  Whose: ")]
    assert whose.startswith("  Whose: Ours, most likely: Nothing has gone well since its secret")
    assert "  Test mode: switched on, 2026-11-29 08:15:00, by command line" in lines
    assert lines[-1].startswith("  Now: Look at what was entered just before this began")
    await admin.execute(
        "update incident set rule_id = 'email.refused_here', case_id = 'email.test_mode',"
        " credential_id = (select id from credential where endpoint = 'mesa'"
        " and integration = 'email' and provider = 'resend'),"
        " facts = facts - 'entered_at' - 'met' where id = $1",
        incident,
    )
    await admin.execute("update credential set test_only = true where endpoint = 'mesa'")
    shown = await run(environment, "show", str(incident))
    assert "Our own rules refuse it before anything leaves; Resend is not asked" in shown.stdout
    command = "mentalspace credential test-mode email --practice mesa --provider resend --off"
    assert shown.stdout.endswith(
        "what falls due goes out; nobody has anything due in the next 24 hours.\n"
        f"  Command: {command}\n"
    )
    missing = await run(environment, "show", str(UUID(int=7)))
    assert (missing.returncode, missing.stdout) == (2, "")
