"""A real Prometheus scrapes us by our own rules, and a real Alertmanager tells us what it fired."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.export import dashboard_of, expressions_of, house_dashboard, rules_of
from tests.conftest import MASTER_KEY
from tests.house import House, free_ports, running_house, until
from tests.watchers import program, running

HOWTO = Path(__file__).parents[2] / "docs/howto/watch-with-prometheus.md"
METRICS_TOKEN = "a scraper's token of more than 32 letters"
HOOK_TOKEN = "an alert manager's token of more than 32"


@dataclass(frozen=True, slots=True)
class Watched:
    house: House
    prometheus: str

    async def ask(self, path: str, **query: str) -> Any:
        async with self.house.http.get(f"{self.prometheus}/api/v1/{path}", params=query) as answer:
            return await answer.json()


@pytest.fixture
async def watched(admin_url: str, tmp_path: Path) -> AsyncIterator[Watched]:
    """A house with both beside it, set up as the guide says, only quicker."""
    tokens = {
        "MENTALSPACE_METRICS_TOKEN": METRICS_TOKEN,
        "MENTALSPACE_ALERTMANAGER_TOKEN": HOOK_TOKEN,
    }
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(
            running_house(admin_url, MASTER_KEY, tmp_path, **tokens)
        )
        ours = free_ports()
        ports = {"8080": house.services.settings.port, "9093": ours, "9090": ours + 1}
        home = tmp_path / "watchers"
        _furnish(home, house, ports)
        for name, words, port in (
            ("prometheus-alertmanager", _ALERTMANAGER, ports["9093"]),
            ("prometheus", _PROMETHEUS, ports["9090"]),
        ):
            command = [str(program(name)), *(word.format(home=home, port=port) for word in words)]
            url = f"http://127.0.0.1:{port}/-/ready"
            await stack.enter_async_context(running(command, url, home / name, house.http))
        yield Watched(house, f"http://127.0.0.1:{ports['9090']}")


_ALERTMANAGER = (
    "--config.file={home}/alertmanager.yml",
    "--storage.path={home}/am",
    "--web.listen-address=127.0.0.1:{port}",
    "--cluster.listen-address=",
)
_PROMETHEUS = (
    "--config.file={home}/prometheus.yml",
    "--storage.tsdb.path={home}/data",
    "--web.listen-address=127.0.0.1:{port}",
)


def _furnish(home: Path, house: House, ports: dict[str, int]) -> None:
    home.mkdir()
    for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", HOWTO.read_text(), re.M | re.S):
        for given, port in ports.items():
            text = text.replace(f"127.0.0.1:{given}", f"127.0.0.1:{port}")
        text = re.sub(r"(scrape_interval|evaluation_interval|group_wait): \d+s", r"\1: 1s", text)
        (home / name).write_text(text)
    (home / "metrics.token").write_text(METRICS_TOKEN)
    (home / "alertmanager.token").write_text(HOOK_TOKEN)
    settings = house.services.settings
    (home / "mentalspace.rules.yml").write_text(
        rules_of(house.services.runbooks, settings.site_url)
    )


async def test_what_prometheus_fires_is_the_incident_we_opened(
    watched: Watched, admin: asyncpg.Connection[Any]
) -> None:
    """A refused key: our evaluator opens the incident, Prometheus scrapes it, fires by the exported
    rule, and Alertmanager's webhook joins it. One incident, one page. Every expression of the
    dashboards is one that Prometheus understands."""
    house = watched.house
    await house.sandbox("POST", "/break/email/resend", {"preset": "key_revoked"})
    await house.book()
    await until(lambda: _story(house, "incident_opened"))
    await until(lambda: _story(house, "seen_by_prometheus"), within_s=30)
    [incident] = await house.incidents()
    assert incident["rule_id"] == "email.credential_refused"
    assert incident["facts"]["prometheus_since"]
    assert incident["credential_id"] is not None
    pages = await admin.fetch("select target from page where step = 0")
    assert len({row["target"] for row in pages}) == len(pages)
    firing = (await watched.ask("alerts"))["data"]["alerts"]
    [alert] = [one for one in firing if one["labels"]["rule"] == "email.credential_refused"]
    assert alert["annotations"]["runbook_url"].startswith(house.services.settings.site_url)
    boards = [*map(dashboard_of, house.services.runbooks.rooms), house_dashboard()]
    for expression in {e for board in boards for e in expressions_of(board)}:
        assert (await watched.ask("query", query=expression))["status"] == "success", expression


async def _story(house: House, kind: str) -> int:
    async with house.services.database.as_oncall() as connection:
        count: int = await connection.fetchval(
            "select count(*) from timeline where kind = $1", kind
        )
    return count
