"""The house's own rules, asked for from the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mentalspace.main import MentalSpace
from tests.cli.commands import environment_of, mentalspace


@pytest.fixture
async def environment(admin_url: str, tmp_path: Path) -> dict[str, str]:
    """Of an installation whose database is migrated and holds the demo's practices."""
    environment = environment_of(tmp_path / "home", DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    return environment


async def test_the_houses_rules_say_how_they_stand_and_what_proves_them(
    environment: dict[str, str],
) -> None:
    """One by its id with its drill or its test, all in the list, and in the gaps what was never
    proven."""
    shown = await asyncio.to_thread(mentalspace, environment, "alerts", "show", "house.loop_silent")
    assert "proven by house/loop_hangs: never" in shown.stdout, shown.stderr
    assert shown.stdout.rstrip().endswith("quiet")
    tested = await asyncio.to_thread(
        mentalspace, environment, "alerts", "show", "house.connections"
    )
    assert "proven by no drill but by a test, tests/engine/test_watchman.py::" in tested.stdout
    listed = await asyncio.to_thread(mentalspace, environment, "alerts", "--all")
    assert "8 rules of the house itself, none firing" in listed.stdout
    assert "house.oncall_gap" in listed.stdout
    gaps = await asyncio.to_thread(mentalspace, environment, "drill", "--gaps")
    lines = gaps.stdout.splitlines()
    wanted = "rule  house.restarts: never proven here; mentalspace drill house/worker_restarts"
    assert wanted in lines
    assert any(line.startswith("no drill  house.connections: ") for line in lines)
