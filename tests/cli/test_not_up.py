"""What the command line says when the system is not up, or was asked something impossible."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from mentalspace.cli.probe import answers
from tests.cli.commands import PROGRAM, environment_of, mentalspace
from tests.house import free_ports

PRODUCTION = {
    "MENTALSPACE_ENV": "production",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "SITE_URL": "https://practice.example",
    "MENTALSPACE_PAGE_ONCALL": "json://127.0.0.1:1/",
}


@pytest.mark.parametrize(
    "words",
    [
        ("clock",),
        ("clock", "advance", "24h"),
        ("token", "--role", "administrator"),
        ("psql", "-c", "select 1"),
        ("message", "show", "x"),
        ("drill", "--all"),
        ("import", __file__),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_that_needs_the_system_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    """One line names the cure; no traceback; exit 2."""
    done = mentalspace(environment_of(tmp_path), *words)
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "not up" in line
    assert "mentalspace up" in line


def test_a_database_that_does_not_answer_is_not_up(tmp_path: Path) -> None:
    """A DATABASE_URL where nobody listens is reported without its password."""
    url = "postgresql://owner:very-secret@127.0.0.1:1/none"
    done = mentalspace(environment_of(tmp_path, DATABASE_URL=url), "clock")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "the database does not answer" in line
    assert "very-secret" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("token", "--role", "administrator"),
        ("clock", "advance", "1h"),
        ("drill", "email/invalid_api_key"),
        ("sandbox", "email"),
    ],
    ids=str,
)
def test_production_refuses_what_only_a_demo_may(tmp_path: Path, words: tuple[str, ...]) -> None:
    """In production no token is signed, no clock moved, nothing drilled or played, up or not."""
    done = mentalspace(environment_of(tmp_path, **PRODUCTION), *words)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("mentalspace: production ")


def test_each_wrong_setting_is_one_line(tmp_path: Path) -> None:
    """Two mistakes give two lines that name the settings, and exit 2."""
    wrong = environment_of(tmp_path, MENTALSPACE_PORT="http", DATABASE_URL="mysql://secret")
    done = mentalspace(wrong, "up")
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "MENTALSPACE_PORT",
        "DATABASE_URL",
    ]
    assert "secret" not in done.stderr


def test_status_of_nothing(tmp_path: Path) -> None:
    """`status --json` works when nothing runs: not ready, every process named, no pid."""
    done = mentalspace(environment_of(tmp_path), "status", "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["ready"] is False
    assert {each["name"] for each in told["processes"]} == {"api", "worker", "sandbox", "postgres"}
    assert all(each["state"] == "stopped" and each["pid"] is None for each in told["processes"])


def test_down_of_nothing(tmp_path: Path) -> None:
    """`down` when nothing runs is no mistake."""
    done = mentalspace(environment_of(tmp_path), "down")
    assert (done.returncode, done.stdout) == (0, "MentalSpace was not up here\n")


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path) -> None:
    """`up` on a taken port says which one in one line, and no database is made."""
    environment = environment_of(tmp_path)
    with socket.create_server(("127.0.0.1", int(environment["MENTALSPACE_PORT"]) + 1)):
        done = mentalspace(environment, "up")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"port {int(environment['MENTALSPACE_PORT']) + 1} of 127.0.0.1" in line
    assert "in use" in line
    assert not tmp_path.joinpath("postgres").exists()


@pytest.mark.parametrize("by", ["-1h", "0h", "soon", "99999d", ""])
def test_a_length_of_time_that_is_none(tmp_path: Path, by: str) -> None:
    """What is not a forward move of the clock is refused with how to write it."""
    done = mentalspace(environment_of(tmp_path), "clock", "advance", "--", by)
    assert done.returncode == 2
    assert "24h" in done.stderr or "forward" in done.stderr


def test_a_broken_overlay_is_reported_line_by_line(tmp_path: Path) -> None:
    """`runbook check` names file and cure of a deployment's mistake, and exits 1."""
    overlay = tmp_path / "overlay"
    overlay.joinpath("telegraphy").mkdir(parents=True)
    overlay.joinpath("telegraphy", "stop.md").write_text("+++\n+++\n")
    environment = environment_of(tmp_path, MENTALSPACE_RUNBOOKS=str(overlay))
    done = mentalspace(environment, "runbook", "check")
    assert done.returncode == 1
    assert "telegraphy" in done.stderr
    assert mentalspace(environment_of(tmp_path), "runbook", "check").returncode == 0


def test_every_page_listed_can_be_shown(tmp_path: Path) -> None:
    """`runbook show` has a page for a case, an issue and a drill that `runbook list` names."""
    environment = environment_of(tmp_path)
    listed = mentalspace(environment, "runbook", "list").stdout.splitlines()[2:]
    kinds = {line.split()[1]: line.split()[0] for line in listed}
    for kind in ("case", "issue", "drill"):
        shown = mentalspace(environment, "runbook", "show", kinds[kind])
        assert shown.stdout.startswith(f"{kinds[kind]} · ")
    missing = mentalspace(environment, "runbook", "show", "email.nothing")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)


def test_a_sandbox_plays_without_a_database(tmp_path: Path) -> None:
    """`sandbox ROOM --port N` alone answers, ends well on SIGTERM, and makes no database."""
    port = free_ports()
    words = [str(PROGRAM), "sandbox", "email", "--port", str(port)]
    process = subprocess.Popen(words, env=environment_of(tmp_path), stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 20
        while answers(f"http://127.0.0.1:{port}/_control/healthz") != 200:
            assert time.monotonic() < ends
            time.sleep(0.1)
        again = mentalspace(environment_of(tmp_path), "sandbox", "--port", str(port))
        assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert not tmp_path.joinpath("postgres").exists()


def test_a_sandbox_of_no_room(tmp_path: Path) -> None:
    """A room that is not played is named in one line with those that are."""
    done = mentalspace(environment_of(tmp_path), "sandbox", "telegraphy")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "telegraphy" in line and "email" in line
