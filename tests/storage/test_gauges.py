"""What the room measures itself: seen by the practice's staff and on-call, and what it sums up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from mentalspace.engine.room_gauges import Gauge, read_gauges
from mentalspace.integrations.storage.disk.sweep import sweep
from mentalspace.integrations.storage.jobs import count_files
from mentalspace.integrations.storage.measuring import measure, size
from mentalspace.integrations.storage.store.measures import keep_swept
from tests.storage.conftest import PDF, PNG, Surface

BUCKET = "client-documents"
QUOTA = 10_000_000


@pytest.fixture(autouse=True)
async def nothing_yet(surface: Surface) -> AsyncIterator[None]:
    """And nothing left afterwards, neither rows nor bytes."""
    await _clear(surface)
    yield
    await _clear(surface)


async def _clear(surface: Surface) -> None:
    for table in ("transfer", "traffic", "usage", "sweep", "file", "archived"):
        await surface.admin.execute(f"delete from storage.{table}")
    await sweep(surface.services.database, surface.shelf, grace_s=-1)


async def _measured(surface: Surface) -> dict[tuple[str, str], Gauge]:
    """As the practice's administrator sees it."""
    services = surface.services
    await measure(services.database, QUOTA)
    async with services.database.as_user(surface.who["administrator"].claims()) as connection:
        found = await read_gauges(connection, "storage")
    assert {gauge.practice_id for gauge in found} <= {surface.lakeside}
    return {(gauge.metric.partition(".")[2], gauge.subject): gauge for gauge in found}


async def test_what_lands_and_what_does_not(surface: Surface) -> None:
    """A refusal is whoever asked's own; a disk that takes nothing is ours, and counts."""
    for number in range(3):
        await surface.put(f"{BUCKET}/{surface.alma}/landed-{number}.pdf", PDF)
    await surface.put(f"{BUCKET}/{surface.alma}/page.pdf", PDF, content_type="text/html")
    found = await _measured(surface)
    assert found["landing_success_rate", "uploads"].seen == "3 of 3 in the last hour"
    refused = found["not_carried", "uploads"]
    assert (refused.value, refused.seen) == (0.25, "1 of 4 in 24 h: InvalidMimeType 1")
    times = found["upload_time_by_size", "landing, under 1 MB"]
    assert times.n == 3
    assert 0 < (times.value or 0) < 5
    await surface.admin.execute(
        "update storage.transfer set fault = 'ours' where outcome = 'InvalidMimeType'"
    )
    landed = (await _measured(surface))["landing_success_rate", "uploads"]
    assert (landed.value, landed.n, landed.bad) == (0.75, 4, 1)


async def test_a_bucket_is_as_full_as_its_quota_says(surface: Surface) -> None:
    """Its own where it has one, the practice's otherwise; and together they fill the practice's.
    What was deleted and is kept fills it as before, and is no file."""
    limited = await surface.call("PUT", f"/bucket/{BUCKET}", {"quota": "1MB"})
    assert limited.http == 200
    assert (await surface.call("GET", f"/bucket/{BUCKET}")).body["quota_bytes"] == 1_000_000
    await surface.put(f"{BUCKET}/{surface.alma}/a.png", PNG)
    await surface.put(f"{BUCKET}/{surface.alma}/b.pdf", PDF)
    await surface.put(f"client-signatures/{surface.alma}/c.png", PNG)
    await surface.call("DELETE", f"/object/{BUCKET}/{surface.alma}/b.pdf")
    both = len(PNG) + len(PDF)
    found = await _measured(surface)
    assert found["bucket_usage", BUCKET].value == both / 1_000_000
    assert found["bucket_usage", "client-signatures"].value == len(PNG) / QUOTA
    whole = found["bucket_usage", "all buckets"]
    assert (whole.value, "2 files" in whole.seen) == ((both + len(PNG)) / QUOTA, True)
    await surface.call("PUT", f"/bucket/{BUCKET}", {"quota": None})


async def test_copies_cost_what_is_kept_and_what_is_read_back(surface: Surface) -> None:
    """By the gigabyte and month, and by the gigabyte out; what was removed and is kept lies there
    too."""
    for name in ("a", "b"):
        await surface.put(f"{BUCKET}/{surface.alma}/{name}.pdf", PDF * 1000)
    await surface.call("DELETE", f"/object/{BUCKET}/{surface.alma}/b.pdf")
    await surface.admin.execute(
        "update storage.transfer set size_bytes = 20000000000 where way = 'up'"
    )
    kept = 2 * len(PDF) * 1000 / 1e9
    found = (await _measured(surface))["cost", "copies"]
    assert found.value == pytest.approx(kept * 0.0213 + 40 * 0.09)
    assert (
        found.seen
        == "about 3.60 USD a month: " + size(kept * 1e9) + " kept, 40.0 GB out in 30 days"
    )


async def test_an_hour_is_held_against_the_same_hour_of_other_weeks(surface: Surface) -> None:
    """The middle one of them; with fewer than two weeks nothing is called unusual. Hours beside
    that one carried as much, so that clocks which change meanwhile are no matter."""
    await surface.put(f"{BUCKET}/{surface.alma}/a.pdf", PDF * 4000)
    found = await _measured(surface)
    assert found["bandwidth", BUCKET].value is None
    assert found["bandwidth", BUCKET].seen.endswith("too few weeks to know what is usual")
    for week, size_bytes in ((1, 2_000_000), (2, 90_000_000), (3, 2_000_000)):
        await surface.admin.execute(
            "insert into storage.traffic"
            " select $1, date_trunc('hour', app.now()) - $2::interval + beside * interval '1 hour',"
            " $3, 'down', 'done', 'none', '1 to 10 MB', '', 1, $4::int8, 1"
            " from generate_series(-2, 3) as beside",
            surface.lakeside,
            timedelta(weeks=week),
            BUCKET,
            size_bytes,
        )
    came = (await _measured(surface))["bandwidth", BUCKET]
    assert came.n == 4000 * len(PDF)
    assert came.value == pytest.approx(came.n / 2_000_000, rel=0.01)


async def test_lost_bytes_are_told_until_they_are_back(surface: Surface) -> None:
    """By the practice that lost them; the disk is told once, for all."""
    await surface.put(f"{BUCKET}/{surface.alma}/kept.pdf", PDF)
    version = await surface.admin.fetchval("select version from storage.file")
    place = surface.shelf.place(surface.lakeside, version)
    content = place.read_bytes()
    place.unlink()
    for lost in (1, 0):
        swept = await sweep(surface.services.database, surface.shelf, grace_s=-1)
        async with surface.services.database.as_dispatcher() as connection:
            await keep_swept(connection, swept.unnamed_of, swept.lost_of)
        assert (await _measured(surface))["lost_files", "bytes"].value == lost
        if lost:
            place.write_bytes(content)
    await count_files(surface.services)
    async with surface.services.database.as_oncall() as connection:
        found = await read_gauges(connection, "storage")
    [disk] = [gauge for gauge in found if gauge.metric == "storage.disk_used"]
    assert 0 < (disk.value or 0) < 1
    assert {gauge.practice_id for gauge in found} == {surface.lakeside, surface.mesa}


def test_sizes_read_as_people_say_them() -> None:
    """A megabyte is a million bytes, as everywhere here."""
    assert [size(n) for n in (0, 999, 1_500, 2_000_000, 48_300_000_000, 2_000_000_000_000)] == [
        "0 B", "999 B", "1.5 kB", "2.0 MB", "48.3 GB", "2.0 TB",
    ]  # fmt: skip
