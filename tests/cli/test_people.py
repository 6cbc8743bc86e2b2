"""Letting a practice and its people in from the command line."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from mentalspace.engine.db import connect
from mentalspace.practice.identity import LogInRefused, log_in
from tests.cli.commands import environment_of, mentalspace

PASSWORD = "correct horse battery"


@pytest.fixture
async def environment(admin_url: str, tmp_path: Path) -> dict[str, str]:
    environment = environment_of(tmp_path, DATABASE_URL=admin_url)
    assert mentalspace(environment, "migrate").returncode == 0
    return environment


async def test_a_person_added_may_sign_in(
    environment: dict[str, str], database_url: str, admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A practice and its administrator are made, and the administrator signs in there."""
    made = mentalspace(
        environment, "practice", "add", "harbor", "--name", "Harbor", "--timezone", "America/Denver"
    )
    assert made.returncode == 0, made.stderr
    words = ("user", "add", "ada@harbor.example", "--name", "Ada", "--role", "administrator")
    added = mentalspace(environment, *words, "--practice", "harbor", typed=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    async with connect(database_url) as database:
        person, _cookie = await log_in(database, "ada@harbor.example", PASSWORD, demo_allowed=False)
        assert (person.role, person.practice_name) == ("administrator", "Harbor")
        with pytest.raises(LogInRefused):
            await log_in(database, "ada@harbor.example", "wrong", demo_allowed=False)
    stored = await admin.fetchval(
        "select password_hash from app_user where email = 'ada@harbor.example'"
    )
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("user", "add", "a@b.example", "--name", "A", "--role", "king"), PASSWORD, "no such role"),
        (("user", "add", "a@b.example", "--name", "A", "--role", "oncall"), "short", "at least 12"),
        (("user", "add", "nobody", "--name", "A", "--role", "oncall"), PASSWORD, "not an e-mail"),
        (
            ("practice", "add", "Bad Slug", "--name", "B", "--timezone", "UTC"),
            "",
            "lower-case letters",
        ),
        (("practice", "add", "b", "--name", "B", "--timezone", "Mars"), "", "IANA time zone"),
    ],
)
async def test_a_mistake_is_one_clear_line(
    environment: dict[str, str], words: tuple[str, ...], typed: str, says: str
) -> None:
    """Wrong role, short password, no address, bad slug, no zone: each is said, nothing is made."""
    done = mentalspace(environment, *words, typed=f"{typed}\n")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
