"""/metrics: the ledger's truth in Prometheus's words, for whoever may read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families

from mentalspace.api.app import create_app
from mentalspace.api.http_meter import HttpMeter
from mentalspace.api.metrics import Exposition, exposition_of
from mentalspace.engine.db import connect
from mentalspace.engine.metrics import FAMILIES, Sample, families_of, fold_tally, known_of
from mentalspace.engine.services import Services
from mentalspace.kernel.settings import Mode
from tests.api.conftest import Api
from tests.house import House, serving_app, until

TOKEN = "a scraper's token of more than 32 letters"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    """Every value by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Series, name: str, **labels: str) -> float:
    """The sum over whatever has these labels."""
    wanted = set(labels.items())
    values = [v for (n, has), v in found.items() if n == f"mentalspace_{name}" and wanted <= has]
    assert values, f"no series {name} {labels}"
    return sum(values)


@asynccontextmanager
async def door(services: Services, routers: Sequence[APIRouter] = ()) -> AsyncIterator[str]:
    """The API over these services; the address of its metrics."""
    async with serving_app(create_app(services, routers=routers)) as url:
        yield f"{url}/metrics"


async def status(http: aiohttp.ClientSession, url: str, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.get(url, headers=names) as answer:
        return answer.status


async def test_a_demo_shows_them_to_this_machine_only(api: Api) -> None:
    """Without a token they are read from here, and not by whom a proxy let through."""
    url = f"{api.url}/metrics"
    assert await status(api.http, url) == 200
    assert await status(api.http, url, x_forwarded_for="203.0.113.9") == 404
    assert await status(api.http, url, forwarded="for=203.0.113.9") == 404


async def test_a_token_opens_them_and_nothing_else_does(api: Api) -> None:
    """With a token set they are read by it; production without one has none to show."""
    settings = api.services.settings
    guarded = replace(api.services, settings=replace(settings, metrics_token=TOKEN))
    async with door(guarded) as url:
        assert await status(api.http, url) == 401
        assert await status(api.http, url, authorization=f"Bearer {TOKEN}x") == 401
        assert await status(api.http, url, authorization=f"Bearer {TOKEN}") == 200
        through = {"authorization": f"Bearer {TOKEN}", "x_forwarded_for": "203.0.113.9"}
        assert await status(api.http, url, **through) == 200
    live = replace(api.services, settings=replace(settings, mode=Mode.PRODUCTION))
    async with door(live) as url:
        assert await status(api.http, url) == 404


async def test_a_scrape_says_that_the_database_is_away(api: Api) -> None:
    """Then there is an answer all the same, and it says so."""
    async with connect(api.services.login_url, size=1) as closed:
        pass
    async with door(replace(api.services, database=closed)) as url, api.http.get(url) as answer:
        found = series(await answer.text())
    assert total(found, "database_up") == 0
    assert total(found, "build_info") == 1
    assert not any(name == "mentalspace_attempts_total" for name, _ in found)


async def test_every_series_stands_at_nought_before_anything_happens(api: Api) -> None:
    """Each case of the runbooks has its series from the start: its first failure is an increase."""
    async with api.http.get(f"{api.url}/metrics") as answer:
        found = series(await answer.text())
    for case in api.services.runbooks.cases:
        assert total(found, "attempts_total", case=case.id) >= 0
    assert total(found, "deliveries_ended_total", status="failed", fault="other") >= 0
    assert total(found, "pages_total", target="oncall", state="failed") >= 0


async def test_what_is_counted_is_the_ledgers(house: House) -> None:
    """What was sent and delivered is told once, before and after it is counted for good; nothing
    names a client, and no label holds what somebody typed."""
    await house.book("wilhelmina.quackenbush@demo.example", external_id="m-1")
    await house.book("obadiah.featherstone@demo.example", external_id="m-2")
    await until(lambda: _delivered(house, 2))
    async with house.http.get(f"{house.url}/no/such-{house.practice_id}") as answer:
        assert answer.status == 404
    text, found = await _scrape(house)
    email = {"integration": "email", "provider": "resend"}
    assert total(found, "attempts_total", outcome="succeeded", **email) == await _count(
        house, "select count(*) from attempt where state = 'succeeded'"
    )
    assert total(found, "deliveries_ended_total", status="delivered", **email) == 2
    assert total(found, "delivery_seconds_count", **email) == 2
    assert total(found, "webhooks_received_total", **email) == await _count(
        house, "select count(*) from inbox"
    )
    assert total(found, "processes", kind="worker") == 1
    assert total(found, "loop_age_seconds", loop="evaluate") < 10
    assert total(found, "http_requests_total", http="404", path_template="unmatched") >= 1
    for private in ("quackenbush", "featherstone", "Testa", str(house.practice_id)):
        assert private.lower() not in text.lower()
    await _counted_for_good(house, found)


async def _counted_for_good(house: House, before: Series) -> None:
    known = known_of(house.services.runbooks, house.services.rooms)
    await house.advance(timedelta(minutes=10))
    assert await fold_tally(house.services.database, known)
    assert await _count(house, "select sum(hits) from tally where name = 'attempts'") > 0
    assert not await fold_tally(house.services.database, known)
    await house.book("late@demo.example", external_id="m-3")
    await until(lambda: _delivered(house, 3))
    _, after = await _scrape(house)
    for name, labels in (
        ("deliveries_ended_total", {"status": "delivered"}),
        ("deliveries_accepted_total", {}),
        ("delivery_seconds_count", {}),
    ):
        where = {"integration": "email", "provider": "resend", **labels}
        assert total(after, name, **where) == total(before, name, **where) + 1, name


async def _scrape(house: House) -> tuple[str, Series]:
    """Anew: by a door that has read nothing yet."""
    meter = HttpMeter()
    fresh = exposition_of(house.services, meter)
    samples = await fresh._counted()
    assert samples
    async with house.http.get(f"{house.url}/metrics") as answer:
        text = await answer.text()
    found = series(text)
    for family in await fresh.read():
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return text, found


async def _delivered(house: House, count: int) -> bool:
    return [d["status"] for d in await house.deliveries()].count("delivered") == count


async def _count(house: House, sql: str) -> Any:
    async with house.services.database.as_dispatcher() as connection:
        return await connection.fetchval(sql)


def test_a_total_never_goes_back(api: Api) -> None:
    """A message that moves to another label leaves the old one as high as it was: less would look
    like a restart, and be counted whole once more."""
    exposition: Exposition = exposition_of(api.services, HttpMeter())
    ended = {"integration": "email", "provider": "resend", "status": "failed"}

    def shown(hits: float) -> list[float]:
        sample = Sample("deliveries_ended", {**ended, "fault": "other"}, hits)
        [family] = families_of([sample], practices=False)
        exposition._hold_up(family)
        return [one.value for one in family.samples]

    assert [shown(5), shown(4), shown(6)] == [[5], [5], [6]]


@pytest.mark.parametrize("practices", [False, True])
def test_practices_are_told_apart_only_if_asked_for(api: Api, practices: bool) -> None:
    """Two practices' counts are one series, or two with their ids."""
    where = {"integration": "email", "provider": "resend", "class": "bulk"}
    samples = [
        Sample(name, where, value, practice_id)
        for practice_id, value in zip(api.practices.values(), (3.0, 4.0), strict=True)
        for name in ("queue_depth", "queue_oldest_seconds")
    ]
    told = {
        family.name: sorted(sample.value for sample in family.samples)
        for family in families_of(samples, practices=practices)
    }
    both = [3.0, 4.0]
    assert told["mentalspace_queue_depth"] == (both if practices else [7.0])
    assert told["mentalspace_queue_oldest_seconds"] == (both if practices else [4.0])
    assert not FAMILIES["pages"].of_practices
