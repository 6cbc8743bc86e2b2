"""The on-call schedule from the command line, as an operator puts one in force."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from mentalspace.cli import ask
from mentalspace.cli.app import build
from mentalspace.main import MentalSpace
from tests.cli.commands import environment_of

_OF_ADA = """
select c.hint, c.address from oncall_contact c join oncall_person p on p.id = c.person_id
 where p.name = 'Ada Byron' order by c.rank
"""


class Run(Protocol):
    async def __call__(self, *words: str, typed: str = "") -> Result: ...


@pytest.fixture
async def run(admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`mentalspace oncall …` over a seeded database, in this process: two dozen of their own would
    cost half a minute."""
    environment = environment_of(tmp_path, DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    monkeypatch.setattr(ask, "log_to_file", lambda _application, _name: None)
    app = build(lambda: MentalSpace(environment))

    async def call(*words: str, typed: str = "") -> Result:
        def invoke() -> Result:
            return CliRunner().invoke(app, ["oncall", *words], typed)

        return await asyncio.to_thread(invoke)

    return call


async def test_a_schedule_is_put_in_force_changed_and_shown(
    run: Run, admin: asyncpg.Connection[Any]
) -> None:
    """People, their ways, turns and an override: shown by the rotation's clocks, and a gap is told
    and exits with 1; no address is printed, kept open or left when forgotten. Each command's
    mistakes are one line that names what is wrong, and change nothing."""

    async def do(*words: str, typed: str = "") -> str:
        done = await run(*words, typed=typed)
        assert done.exit_code == 0, done.output
        return done.stdout

    empty = await do("show")
    assert "assigned: no rotation; pages go to the settings' addresses" in empty
    await do("person", "Ada Byron")
    assert "sealed" in await do("contact", "ada", "sms", typed="+15551234567\n")
    await do("contact", "Ada Byron", "email", typed="ada@staff.example\n")
    sealed = await admin.fetch(_OF_ADA)
    assert [row["hint"] for row in sealed] == ["…67", "a…@staff.example"]
    assert not [row for row in sealed if b"555123" in row["address"] or b"ada@" in row["address"]]
    assert await do("forget", "ada", "1") == "removed\n"
    assert [row["address"] is None for row in await admin.fetch(_OF_ADA)] == [True, False]
    rotation = ("rotate", "assigned", "ada", "noor", "--zone", "America/Denver", "--at", "08:30")
    await do(*rotation, "--from", "2026-01-05")
    now = await admin.fetchval("select to_char(app.now(), 'YYYY-MM-DD')")
    span = ("--from", f"{now}T00:00", "--until", f"{now}T23:59")
    await do("override", "assigned", "noor", *span, "--reason", "Dentist")
    shown = await do("show", "--days", "14")
    assert "by the clocks of America/Denver" in shown
    assert "08:30" in shown
    assert "override" in shown
    assert "555" not in shown + empty
    mistakes = (
        (("person", "x" * 81), "", "at most 80 letters"),
        (("contact", "ada", "pigeon"), "coo\n", "kind: use apprise, pagerduty, email, sms"),
        (("contact", "ada", "sms"), "5551234\n", "+15551234567"),
        (("contact", "nobody", "sms"), "+15551234567\n", "'nobody' is nobody's"),
        (("forget", "nobody", "1"), "", "'nobody' is nobody's"),
        (("rotate", "cto", "ada", "--zone", "Mars"), "", "IANA time zone"),
        (("rotate", "janitor", "ada"), "", "target: use oncall, cto, assigned"),
        (("rotate", "cto", "ada", "--at", "noon"), "", "'noon' is no hour"),
        (("rotate", "cto", "ada", "--from", "Monday"), "", "'Monday' is no day"),
        (("rotate", "cto", "ada", "--every", "0"), "", "1 to 366 days"),
        (("override", "cto", "ada", *span, "--rank", "2"), "", "cto has no rotation of rank 2"),
        (("override", "oncall", "zed", *span), "", "'zed' is nobody's"),
        (("override", "oncall", "ada", "--from", "now", "--until", "then"), "", "'now': write it"),
        (("override", "oncall", "ada", *span[:3], f"{now}T00:00"), "", "ends after it begins"),
    )
    before = await _counts(admin)
    for words, typed, says in mistakes:
        done = await run(*words, typed=typed)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), (words, done.output)
        assert says in done.stderr, words
    assert await _counts(admin) == before
    await do(*rotation, "--from", "2026-01-05", "--until", "2026-01-06")
    gap = await run("show")
    assert (gap.exit_code, "GAP: nobody from" in gap.stdout) == (1, True)


async def _counts(admin: asyncpg.Connection[Any]) -> list[int]:
    tables = ("oncall_person", "oncall_contact", "oncall_layer", "oncall_override")
    return [await admin.fetchval(f"select count(*) from {table}") for table in tables]
