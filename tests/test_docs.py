"""The documentation says only what is there: links, commands, settings, states and queries."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from docs import generate
from mentalspace.engine import credential_check
from mentalspace.engine.db import Database
from mentalspace.engine.runbook import Check
from mentalspace.kernel.delivery import TRANSITIONS
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import load_settings
from tests.practice.test_calendar_file import BAD_VALUES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src/mentalspace"
# A template's pages are filled in before anybody reads them.
LEFT_OUT = {".venv", ".git", ".mentalspace", "build", "dist", "room_template"}
MARKDOWN = sorted(
    path for path in ROOT.rglob("*.md") if not LEFT_OUT & set(path.relative_to(ROOT).parts)
)
RECORDS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
BOOKS = generate.runbooks()
QUERIES = [
    (f"{issue.id}: {check.title}", check)
    for room in BOOKS.rooms
    for issue in room.issues
    for check in issue.diagnosis
    if check in room.queries
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SETTING = re.compile(r"\b(?:MENTALSPACE|RESEND|EMAIL)_[A-Z0-9_]+\b|\b(?:SITE|DATABASE)_URL\b")
# Read by the tests alone.
TEST_SETTINGS = {"MENTALSPACE_TEST_POSTGRES"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# What pages point to ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", MARKDOWN, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading in it."""
    for target in _LINK.findall(_FENCE.sub("", read(page))):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{relative(page)} links to {target}"
        if anchor:
            assert anchor in _anchors(file), f"{relative(page)} links to {target}"


@pytest.mark.parametrize("page", MARKDOWN, ids=relative)
def test_files_named_in_pages_exist(page: Path) -> None:
    """A file named in code marks is there: in the package, the repository or beside the page."""
    text = _FENCE.sub("", read(page))
    for name in _CODE.findall(text):
        if re.fullmatch(r"(?:[a-z_.-]+/)+[\w.-]+\.(?:py|sql|toml|md|yml)", name):
            places = (PACKAGE, ROOT, page.parent, *(PACKAGE / "integrations").iterdir())
            assert any((place / name).exists() for place in places), f"{relative(page)}: {name}"


@pytest.mark.parametrize("page", MARKDOWN, ids=relative)
def test_commands_in_pages_exist(page: Path) -> None:
    """Every `make` target and every `mentalspace` command and option that is named is there."""
    for line in _command_lines(read(page)):
        words = [w for w in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", w)]
        if words[:1] == ["make"]:
            assert set(words[1:2]) <= _targets(), f"{relative(page)}: {line}"
        if words[:1] == ["mentalspace"] and not words[1].isupper():
            _assert_command(words[1:], f"{relative(page)}: {line}")


def _command_lines(text: str) -> Iterator[str]:
    for language, block in _FENCE.findall(text):
        if language in ("sh", "console"):
            yield from (line.removeprefix("$ ") for line in block.splitlines() if line.strip())
    for code in _CODE.findall(_FENCE.sub("", text)):
        if re.match(r"(?:make|mentalspace)\s", code):
            yield code


def _assert_command(words: list[str], where: str) -> None:
    tree = generate.command_tree()
    plain = [word for word in words if not word.startswith("-")]
    name = " ".join(plain[:2]) if " ".join(plain[:2]) in tree else " ".join(plain[:1])
    if name not in tree:
        # A group named alone, as in `mentalspace runbook`, speaks of all its commands.
        assert any(known.startswith(f"{name} ") for known in tree), f"{where}: no such command"
        assert len(plain) < 2 or not plain[1].islower(), f"{where}: no such command"
        return
    options = {option for parameter in tree[name].params for option in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in {*options, "--help"}, f"{where}: no option {word}"


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z0-9-]+):", read(ROOT / "Makefile"), re.MULTILINE))


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", read(file)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


# Settings -----------------------------------------------------------------------------------------


def test_every_setting_is_explained() -> None:
    """The names that the code reads and the names that are explained are the same."""
    assert generate.settings_read() == set(generate.settings_described())


@pytest.mark.parametrize("page", MARKDOWN, ids=relative)
def test_settings_named_in_pages_exist(page: Path) -> None:
    """A page names no setting that the code does not read."""
    named = set(_SETTING.findall(read(page)))
    assert {n for n in named if n not in _settings() and not n.endswith("_")} == set()


@cache
def _settings() -> frozenset[str]:
    return frozenset(generate.settings_read() | TEST_SETTINGS)


def test_defaults_are_the_codes_own() -> None:
    """The defaults of the table are those that an empty environment gets."""
    settings = load_settings({})
    assert generate.DEFAULTS["MENTALSPACE_ENV"] == settings.mode.value
    assert generate.DEFAULTS["MENTALSPACE_HOME"] == settings.home.name
    assert generate.DEFAULTS["MENTALSPACE_PORT"] == str(settings.port)
    assert generate.DEFAULTS["SITE_URL"] == settings.site_url


def test_what_our_own_checks_cost_is_the_codes_own() -> None:
    """How often a credential is asked, and what that makes in a day."""
    page = read(ROOT / "docs/howto/run-in-production.md")
    for who, every_s in (
        ("live, and idle", credential_check._ASK_EVERY_S),
        ("of a sandbox", credential_check._ASK_SANDBOX_EVERY_S),
        ("whose last six answers were not all good", credential_check._ASK_AGAIN_S),
    ):
        assert f"| {who} | every {every_s:.0f} s | {86_400 / every_s:,.0f}" in page
    assert credential_check._REMEMBERED == 6


def test_production_needs_what_the_table_says() -> None:
    """Production starts with what the table calls needed, and names whatever is left out."""
    least = generate.production_environment()
    assert set(least) == generate.needed_in_production() | {"MENTALSPACE_ENV"}
    for name in generate.needed_in_production():
        without = {key: value for key, value in least.items() if key != name}
        with pytest.raises(SettingsError, match=f"^{name}: production needs it"):
            load_settings(without)
    with pytest.raises(SettingsError, match="MENTALSPACE_DEMO_PASSWORD"):
        load_settings({**least, "MENTALSPACE_DEMO_PASSWORD": "known"})


# What is written from code ------------------------------------------------------------------------


def test_generated_pages_are_up_to_date() -> None:
    """Nobody changed a source without `make docs`, and nobody changed its output by hand."""
    assert sorted(relative(path) for path in generate.stale()) == []


def test_twenty_bad_inputs_are_answered_in_the_page() -> None:
    """The page of import errors has a row for each bad value of the tests."""
    page = read(DOCS / "explanation/import-errors.md")
    assert len(BAD_VALUES) == 20
    for column, _value, code in BAD_VALUES:
        assert re.search(rf"^\| `{column}` \|.*\| `{code}` \|", page, re.MULTILINE)


def test_the_drawing_of_a_delivery_is_the_codes() -> None:
    """The arrows drawn are exactly the moves that the ledger allows."""
    drawn = _arrows("delivery")
    allowed = {
        (before.value, after.value) for before, afters in TRANSITIONS.items() for after in afters
    }
    assert drawn == allowed


@pytest.mark.parametrize("table", ["attempt", "lane"])
def test_the_drawing_has_the_states_of_the_table(table: str) -> None:
    """The states drawn are exactly those that the database admits."""
    sql = read(PACKAGE / "engine/db/migrations/engine_0001.sql")
    body = sql.partition(f"create table {table} (")[2].partition(");")[0]
    admitted = re.search(r"^\s*state\s.*?check \(state in \(([^)]*)\)", body, re.MULTILINE)
    assert admitted is not None
    states = set(re.findall(r"'(\w+)'", admitted[1]))
    assert {state for arrow in _arrows(table) for state in arrow} == states


def _arrows(heading: str) -> set[tuple[str, str]]:
    """Who leads to whom in the first drawing under the heading; begin and end left out."""
    section = re.split(rf"^## {heading}$", read(DOCS / "explanation/states.md"), flags=re.M | re.I)
    language, drawing = _FENCE.findall(section[1])[0]
    assert language == "mermaid"
    return set(re.findall(r"^\s*(\w+) --> (\w+)", drawing, re.MULTILINE))


# Decision records ---------------------------------------------------------------------------------


def test_decisions_are_numbered_and_listed() -> None:
    """Numbers run without a gap, and the index names every record."""
    numbers = [int(path.name[:4]) for path in RECORDS]
    assert numbers == list(range(1, len(numbers) + 1))
    index = read(DOCS / "decisions/README.md")
    assert all(f"({path.name})" in index for path in RECORDS)


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_is_whole_and_short(record: Path) -> None:
    """A record says context, decision, consequences, rejected paths and files, in a page."""
    text = read(record)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Rejected paths",
        "Files",
    ]
    assert re.match(rf"# {record.name[:4]} ", text)
    assert 100 <= len(text.split()) <= 320


# What may not be in the repository ----------------------------------------------------------------


def test_no_path_of_a_machine_and_no_registry_is_tracked() -> None:
    """No tracked text names somebody's directory or the host of a package index."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    hosts = "|".join(
        ("pythonhosted" + r"\.org", "pypi" + r"\.org/simple", "--(?:extra-)?index-url")
    )
    strange = re.compile(rf"(?<![\w.{{}}])/(?:work|Users|home/\w+)/\w|{hosts}")
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: {match[0]}" for match in strange.finditer(text)]
    assert found == []


# The runbook's queries ----------------------------------------------------------------------------


@pytest.mark.parametrize(("title", "check"), QUERIES, ids=[title for title, _ in QUERIES])
async def test_every_diagnosis_runs_for_the_on_call_engineer(
    database: Database, title: str, check: Check
) -> None:
    """The query of an issue, as it stands there, runs under the role that may name nobody."""
    async with database.as_oncall() as connection:
        await connection.execute("set transaction read only")
        assert isinstance(await connection.fetch(check.run), list), title


async def test_the_seeds_query_finds_the_mail_and_names_nobody(
    database: Database, admin: asyncpg.Connection[Any]
) -> None:
    """The seed's own query shows a mail sent an hour ago, its address masked, not an older one."""
    await _two_notifications(admin)
    [query] = [c for title, c in QUERIES if "SELECT * FROM appointment_notifications" in c.run]
    async with database.as_oncall() as connection:
        rows = await connection.fetch(query.run)
    assert [(row["status"], row["resend_id"]) for row in rows] == [("sent", "recent")]
    assert rows[0]["recipient_email"] == "m***@***"


async def _two_notifications(admin: asyncpg.Connection[Any]) -> None:
    await admin.execute(
        """
        with p as (insert into practice (slug, name, timezone) values ('p', 'P', 'UTC')
                   returning id),
             c as (insert into client (practice_id, external_id, name)
                   select id, 'c', 'Maria Lopez' from p returning id, practice_id),
             a as (insert into appointment (practice_id, external_id, client_id, starts_at,
                                            duration_min)
                   select practice_id, 'a', id, now(), 50 from c returning id, practice_id)
        insert into appointment_notifications (practice_id, appointment_id, notification_type,
                                               recipient_email, status, sent_at, resend_id)
        select practice_id, id, 'created', 'maria@client.example', 'sent', now() - ago, name
          from a,
               (values (interval '1 hour', 'recent'), (interval '2 days', 'old')) as s (ago, name)
        """
    )
