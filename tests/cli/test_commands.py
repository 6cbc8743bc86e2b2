"""Commands against a real, seeded database; nothing else of the system runs."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.cli import audit
from mentalspace.cli.alerts import read_length, read_week
from mentalspace.kernel.errors import Refused
from mentalspace.main import MentalSpace
from mentalspace.practice.audit_search import ITSELF, Entry
from mentalspace.practice.token import person_of_token
from tests.cli.commands import environment_of, mentalspace

COLUMNS = (
    "external_id,client_external_id,client_name,client_email,client_phone,client_timezone,"
    "client_language,clinician_email,starts_at,duration_min,status\n"
)
GOOD = "a-1,c-1,Testa Person,testa@demo.example,,,,,2027-03-01T10:00,50,scheduled\n"
BAD = "a-2,c-2,Testo Person,testo@demo.example,,,,,next tuesday,50,scheduled\n"


@pytest.fixture
async def environment(admin_url: str, tmp_path: Path) -> dict[str, str]:
    """Of an installation whose database is migrated and holds the demo's practices."""
    environment = environment_of(tmp_path / "home", DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    return environment


def test_migrating_again_changes_nothing(environment: dict[str, str]) -> None:
    """`migrate` may run on a database that is up to date."""
    done = mentalspace(environment, "migrate")
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout


def test_a_calendar_comes_in_once(environment: dict[str, str], tmp_path: Path) -> None:
    """Good rows land, the bad one is named by line, column and cure; twice changes nothing."""
    file = tmp_path / "calendar.csv"
    file.write_text(COLUMNS + GOOD + BAD)
    first = mentalspace(environment, "import", str(file))
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("1 new, 0 changed, 0 cancelled, 0 unchanged\n")
    assert "line 3, starts_at: " in first.stdout
    assert "Testo" not in first.stdout
    second = mentalspace(environment, "import", str(file))
    assert second.stdout.startswith("0 new, 0 changed, 0 cancelled, 1 unchanged\n")
    assert "(1 already known)" in second.stdout


def test_a_file_that_is_no_calendar(environment: dict[str, str], tmp_path: Path) -> None:
    """A file no row of which can be read is refused in one line."""
    file = tmp_path / "photo.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    done = mentalspace(environment, "import", str(file))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_practice_names_the_known(environment: dict[str, str], tmp_path: Path) -> None:
    """`--practice` with a wrong slug lists the right ones."""
    file = tmp_path / "calendar.csv"
    file.write_text(COLUMNS + GOOD)
    done = mentalspace(environment, "import", str(file), "--practice", "nowhere")
    assert done.returncode == 2
    slugs = mentalspace(environment, "psql", "-c", "select slug from practice where not is_drill")
    for slug in slugs.stdout.splitlines()[2:-1]:
        assert slug.strip() in done.stderr


def test_a_message_is_told_in_words(environment: dict[str, str], tmp_path: Path) -> None:
    """`message show` gives a delivery's timeline without a name or an address in it."""
    file = tmp_path / "calendar.csv"
    file.write_text(COLUMNS + GOOD)
    mentalspace(environment, "import", str(file))
    listed = mentalspace(environment, "psql", "-c", "select id from delivery limit 1")
    message_id = listed.stdout.splitlines()[2].strip()
    shown = mentalspace(environment, "message", "show", message_id)
    assert shown.returncode == 0, shown.stderr
    assert "Written down" in shown.stdout
    told = json.loads(mentalspace(environment, "message", "show", message_id, "--json").stdout)
    assert told["id"] == message_id
    assert told["timeline"][0]["kind"] == "delivery_created"
    assert "testa" not in (shown.stdout + json.dumps(told)).lower()
    unknown = mentalspace(environment, "message", "show", "nothing")
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (2, 1)


def test_psql_reads_masked_and_cannot_write(environment: dict[str, str], tmp_path: Path) -> None:
    """An on-call engineer's psql shows no address and changes nothing; the owner's does."""
    file = tmp_path / "calendar.csv"
    file.write_text(COLUMNS + GOOD)
    mentalspace(environment, "import", str(file))
    query = "select recipient_email from appointment_notifications limit 1"
    assert "t***@***" in mentalspace(environment, "psql", "-c", query).stdout
    writing = mentalspace(environment, "psql", "-c", "update incident set title = ''")
    assert writing.returncode == 2
    assert "read-only transaction" in writing.stderr
    names = mentalspace(environment, "psql", "-c", "select name from client")
    assert "permission denied" in names.stderr
    owner = mentalspace(environment, "psql", "--role", "owner", "-c", query)
    assert "testa@demo.example" in owner.stdout


def test_interactive_psql_is_the_oncall_role_too(environment: dict[str, str]) -> None:
    """Without -c, psql takes the terminal over under the same role and limits."""
    typed = "select current_user, current_setting('transaction_read_only') as read_only;"
    done = mentalspace(environment, "psql", typed=typed)
    assert done.returncode == 0, done.stderr
    assert "mentalspace_oncall | on" in done.stdout


def test_the_clock_moves_forward(environment: dict[str, str]) -> None:
    """`clock advance` adds up, and `clock` shows by how much."""
    assert "real time" in mentalspace(environment, "clock").stdout
    assert "1 d 1 h 30 min ahead" in mentalspace(environment, "clock", "advance", "25h30m").stdout
    assert "2 d 1 h 30 min ahead" in mentalspace(environment, "clock", "advance", "1d").stdout
    assert "2 d 1 h 30 min ahead" in mentalspace(environment, "clock", "advance").stdout


def test_a_token_speaks_for_a_person_of_the_demo(environment: dict[str, str]) -> None:
    """A token carries role, person and practice; one for a role that is none is refused."""
    secret = environment["MENTALSPACE_JWT_SECRET"]
    done = mentalspace(environment, "token", "--role", "front-desk")
    person = person_of_token(secret, done.stdout.strip())
    assert person.role == "front_desk"
    assert person.practice_id is not None
    named = mentalspace(
        environment, "token", "--role", "administrator", "--user", "ADMIN@demo.example"
    )
    assert person_of_token(secret, named.stdout.strip()).user_id != person.user_id
    oncall = mentalspace(environment, "token", "--role", "oncall").stdout.strip()
    assert person_of_token(secret, oncall).practice_id is None
    for wrong in (("--role", "king"), ("--role", "biller", "--user", "admin@demo.example")):
        refused = mentalspace(environment, "token", *wrong)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


async def test_an_incident_is_exported(
    environment: dict[str, str], admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    """Listed while it is open, written as Markdown to the screen and as PDF to a file; an id that
    is none is refused in one line."""
    incident = await admin.fetchval(
        "insert into incident (key, rule_id, integration, practice_id, severity, title, fault,"
        " since, ack_due_at) select 'k', 'email.x', 'email', id, 'high', 'Mails are late',"
        " 'theirs', app.now(), app.now() from practice where slug = 'mesa' returning id"
    )
    listed = await asyncio.to_thread(mentalspace, environment, "incident", "list")
    assert str(incident) in listed.stdout
    assert "Mails are late" in listed.stdout
    shown = await asyncio.to_thread(mentalspace, environment, "incident", "export", str(incident))
    assert shown.stdout.startswith("# Post-mortem: Mails are late"), shown.stderr
    file = tmp_path / "night.pdf"
    command = ("incident", "export", str(incident), "--as", "pdf", "--to", str(file))
    done = await asyncio.to_thread(mentalspace, environment, *command)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"%PDF-")
    refused = await asyncio.to_thread(mentalspace, environment, "incident", "export", "night")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


def test_a_rule_is_silenced_and_its_hours_set(environment: dict[str, str]) -> None:
    """`alerts` shows each rule, `silence` gives an id that `lift` takes, `hours` a practice's week
    its windows; what is none is refused with the right way to write it."""
    about = ("alerts", "silence", "--rule", "email.queue_stands", "--for", "4h")
    made = mentalspace(environment, *about, "--reason", "the relay moves")
    assert made.returncode == 0, made.stderr
    shown = mentalspace(environment, "alerts")
    assert "none of them alerting" in shown.stdout
    assert made.stdout.strip() in shown.stdout
    assert mentalspace(environment, "alerts", "lift", made.stdout.strip()).returncode == 0
    told = mentalspace(environment, "alerts", "show", "email.queue_stands")
    assert "proven by email/queue_stands: never" in told.stdout
    opened = mentalspace(environment, "alerts", "hours", "lakeside", "mon-fri 8-18", "sat 9:30-12")
    assert opened.returncode == 0, opened.stderr
    days = "opening ->> 4 as fri, opening ->> 5 as sat, opening ->> 6 is null as shut"
    week = mentalspace(
        environment, "psql", "-c", f"select {days} from practice where slug = 'lakeside'"
    )
    assert re.search(r"^\[480, 1080\] +\[570, 720\] +t$", week.stdout, re.MULTILINE), week.stdout


def test_a_rooms_lanes_are_paused_and_opened(environment: dict[str, str]) -> None:
    """`lane` says what it would do, then does it, at one endpoint or at all of a room; what cannot
    be done is one line, and changes nothing."""
    pause = ("lane", "pause", "--for", "1h", "--reason", "the carrier asked")
    looked = mentalspace(environment, *pause, "sms", "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert "sms/default (Lakeside" in looked.stdout
    done = mentalspace(environment, *pause, "sms/default")
    assert "done. Pause the lanes: 2 lanes" in done.stdout, done.stderr
    again = mentalspace(environment, *pause, "sms/default")
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert "paused already, by command line until" in again.stderr
    rest = mentalspace(environment, *pause, "sms")
    assert "sms/default (Lakeside" in rest.stdout
    assert "left as it is" in rest.stdout
    opened = mentalspace(environment, "lane", "open", "sms")
    places = set(re.findall(r"sms/\S+", looked.stdout))
    assert len(places) > 1
    assert opened.stdout.count("done. Resume the lanes: 2 lanes") == len(places)
    nothing = mentalspace(environment, "lane", "hold", "sms", "--reason", "why")
    assert "Nothing is due that could be held." in nothing.stderr
    nowhere = mentalspace(environment, "lane", "open", "fax")
    assert nowhere.stderr.strip() == "mentalspace: no credential fax is in use"


def test_what_went_on_by_itself_is_said_by_name() -> None:
    """No row of zeros stands where nobody acted."""
    entry = Entry(1, datetime(2026, 11, 29, tzinfo=UTC), None, None, 1, ITSELF, "x.y", None, {})
    assert "MentalSpace" in audit._shown([entry])
    assert ITSELF not in audit._shown([entry])


def test_the_audit_is_searched(environment: dict[str, str]) -> None:
    """`audit search` finds what was done, and that it was itself asked; no day is a mistake."""
    assert "nothing fits" in mentalspace(environment, "audit", "search", "--did", "x.y").stdout
    found = mentalspace(environment, "audit", "search", "--who", "command line", "--json")
    assert [entry["action"] for entry in json.loads(found.stdout)] == ["audit.read"]
    wrong = mentalspace(environment, "audit", "search", "--since", "yesterday")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("text", ["4", "4 weeks", "-1h", "h", "999999d"])
def test_what_is_no_length(text: str) -> None:
    """It says how to write one."""
    with pytest.raises(Refused, match="write 30min, 4h or 2d"):
        read_length(text)


@pytest.mark.parametrize("text", ["mon", "mon 18-8", "mon-fri 8-25", "fri-mon 8-12", "mon 8:75-9"])
def test_what_are_no_hours(text: str) -> None:
    """It says how to write some, or that they end before they begin."""
    with pytest.raises(Refused, match=r"hours; write them|ends before it begins"):
        read_week([text])
