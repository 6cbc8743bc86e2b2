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


async def test_a_practices_own_credential_is_stored_sealed(
    environment: dict[str, str], admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Two secrets from standard input become a sealed credential with open lanes; again rotates,
    where it is."""
    mentalspace(environment, "practice", "add", "harbor", "--name", "H", "--timezone", "UTC")
    words = ("credential", "set", "email", "--practice", "harbor")
    for version, where in ((1, ("--base-url", "https://mail.example")), (2, ())):
        stored = mentalspace(environment, *words, *where, typed="re_harbor_key\nwhsec_c2VjcmV0\n")
        assert stored.stdout.strip() == "/v1/hooks/email/harbor", stored.stderr
        row = await admin.fetchrow(
            "select c.secrets, c.version, c.base_url, count(l.id) as lanes from credential c"
            " join lane l on l.credential_id = c.id where endpoint = 'harbor' group by c.id"
        )
        assert row is not None
        assert (row["version"], row["lanes"]) == (version, 2)
        assert row["base_url"] == "https://mail.example"
        assert b"re_harbor_key" not in row["secrets"]
    nothing = mentalspace(environment, *words, typed="\n")
    assert nothing.returncode == 2
    assert "nothing is stored" in nothing.stderr


async def test_a_former_secret_is_brought_back_and_wiped(
    environment: dict[str, str], admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """What it would do is said without doing it; nobody answers here, so that it takes a word. Who
    typed it stands in the audit. What has leaked is not kept."""
    on = ("email", "--practice", "lakeside")
    entered = mentalspace(
        environment, "credential", "set", *on, "--by", "oncall@demo.example",
        typed="re_another\nwhsec_c2VjcmV0\n",
    )  # fmt: skip
    assert entered.returncode == 0, entered.stderr
    stands = (
        "select entered_by from credential where integration = 'email' and endpoint = 'default'"
    )
    assert str(await admin.fetchval(stands)).endswith("(command line)")
    looked = mentalspace(environment, "credential", "bring-back", *on, "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert "does not answer it well" in looked.stdout
    assert "It changes api_key, webhook_secret." in looked.stdout
    words = ("credential", "bring-back", *on, "--reason", "mistyped")
    refused = mentalspace(environment, *words)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "--untried" in refused.stderr
    done = mentalspace(environment, *words, "--untried")
    assert "done: 0 messages waited" in done.stdout, done.stderr
    told = mentalspace(environment, "credential", "forget", *on, "--reason", "leaked")
    assert told.stdout == "the former one is wiped\n", told.stderr
    leaked = ("credential", "set", *on, "--leaked")
    mentalspace(environment, *leaked, typed="re_third\nwhsec_c2VjcmV0\n")
    none = mentalspace(environment, *words)
    assert none.stderr.startswith("mentalspace: No former one is kept"), none.stderr
    noted = await admin.fetch(
        "select actor, action, data from audit where action like '%.bring_back'"
        " or action like '%.forget_former' or action = 'credential_set' order by id"
    )
    acts = [row["action"] for row in noted if row["action"] != "credential_set"]
    assert acts == ["lane.bring_back", "lane.forget_former"]
    assert all("command line" in row["actor"] for row in noted if row["action"] in acts)
    assert not [row for row in noted if "re_another" in str(row["data"])]


async def test_a_practice_puts_its_providers_in_order(
    environment: dict[str, str], admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A relay stored beside Resend comes second, until the practice wants it first."""
    mentalspace(environment, "practice", "add", "harbor", "--name", "H", "--timezone", "UTC")
    words = ("credential", "set", "email", "--practice", "harbor")
    mentalspace(environment, *words, typed="re_harbor_key\nwhsec_c2VjcmV0\n")
    relay = mentalspace(environment, *words, "--provider", "smtp", typed="harbor\nsecret\n")
    assert relay.stdout.strip() == "harbor-smtp", "a relay sends no webhooks, so it has no path"
    ranks = "select rank from credential where endpoint like 'harbor%' order by endpoint"
    assert [row["rank"] for row in await admin.fetch(ranks)] == [1, 2]
    words = ("credential", "order", "email", "smtp", "--practice")
    done = mentalspace(environment, *words, "harbor", "--after", "5")
    assert done.stdout.splitlines() == ["1. harbor-smtp", "2. harbor"]
    assert [row["rank"] for row in await admin.fetch(ranks)] == [2, 1]
    after = "select distinct fail_over_after_s from credential where endpoint like 'harbor%'"
    assert await admin.fetchval(after) == 5
    mentalspace(environment, "practice", "add", "bay", "--name", "B", "--timezone", "UTC")
    none = mentalspace(environment, *words, "bay")
    assert (none.returncode, len(none.stderr.splitlines())) == (2, 1)
    assert "SMTP relay" in none.stderr
