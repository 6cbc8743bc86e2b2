"""The room's own figures: what lands, how long it takes, how full it is, and what is lost."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.room_gauges import Gauge, keep_gauges
from mentalspace.engine.watch.weeks import FEWEST_WEEKS, WEEKS, last_window
from mentalspace.integrations.storage.disk.thread import in_thread
from mentalspace.integrations.storage.store.measures import (
    HOUR_S,
    Practice,
    Sums,
    count_usage,
    keep_disk,
    read_same_hours,
    read_sums,
)

ROOM = "storage"
EVERYTHING = "all buckets"
# Below this an hour counts as one of so much: nought has no multiple.
_LEAST_USUAL = 1_000_000
_SHOWN_CODES = 4
# Beyond what a plan includes.
# source: https://supabase.com/docs/guides/platform/manage-your-usage/storage-size
USD_A_GB_KEPT = 0.0213
# source: https://supabase.com/docs/guides/platform/manage-your-usage/egress
USD_A_GB_OUT = 0.09


async def look_at_disk(database: Database, root: Path) -> None:
    """How full the disk is where files land."""

    def look() -> tuple[int, int]:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        usage = shutil.disk_usage(root)
        return usage.total, usage.free

    total, free = await in_thread(look)
    async with database.as_dispatcher() as connection:
        await keep_disk(connection, total, free)


async def measure(database: Database, quota_bytes: int, *, drill: str | None = None) -> None:
    """Write down every figure, of one drill or of what is none. `quota_bytes` is what a practice
    may fill. May run anywhere, at any time."""
    async with database.as_dispatcher() as connection:
        if drill is None:
            await count_usage(connection)
        sums = await read_sums(connection, drill)
        gauges = [
            *_landed(sums),
            *_refused(sums),
            *_times(sums),
            *_fill(sums, quota_bytes),
            *_cost(sums),
            *await _bandwidth(connection, sums, drill),
            *_lost(sums),
            *_disk(sums),
        ]
        known = {practice.id for practice in sums.practices}
        mine = [gauge for gauge in gauges if gauge.practice_id in known]
        await keep_gauges(connection, ROOM, mine, drill=drill or "")


def _landed(sums: Sums) -> Iterator[Gauge]:
    """Whoever asks for what may not be has failed by themselves, and counts for neither side."""
    for practice_id, rows in _by_practice(r for r in sums.hour if r["way"] == "up").items():
        counted = [row for row in rows if row["fault"] != "asker"]
        n = sum(row["number"] for row in counted)
        bad = sum(row["number"] for row in counted if row["fault"] != "none")
        if n:
            seen = f"{n - bad:,} of {n:,} in the last hour"
            yield Gauge(
                practice_id, "storage.landing_success_rate", "uploads", 1 - bad / n, seen, n, bad
            )


def _refused(sums: Sums) -> Iterator[Gauge]:
    """By the codes they were answered with."""
    for way, subject in (("up", "uploads"), ("down", "downloads")):
        for practice_id, rows in _by_practice(r for r in sums.day if r["way"] == way).items():
            n = sum(row["number"] for row in rows)
            codes = Counter[str]()
            for row in rows:
                if row["fault"] != "none":
                    codes[row["outcome"]] += row["number"]
            named = ", ".join(f"{code} {hits}" for code, hits in codes.most_common(_SHOWN_CODES))
            seen = f"{codes.total():,} of {n:,} in 24 h" + (f": {named}" if named else "")
            bad = codes.total()
            yield Gauge(practice_id, "storage.not_carried", subject, bad / n, seen, n, bad)


def _times(sums: Sums) -> Iterator[Gauge]:
    for rows, where in ((sums.landing_times, "landing"), (sums.copy_times, "copy")):
        for row in rows:
            average = row["took_s"] / row["number"]
            seen = f"{average:.2f} s on average of {row['number']:,} in 24 h"
            subject = f"{where}, {row['size_class']}"
            yield Gauge(
                row["practice_id"], "storage.upload_time_by_size", subject, average, seen,
                row["number"],
            )  # fmt: skip


def _fill(sums: Sums, quota_bytes: int) -> Iterator[Gauge]:
    """A bucket of its own quota, or else of the practice's; and all of them of the practice's."""
    for practice_id, rows in _by_practice(sums.usage).items():
        for row in rows:
            quota = row["quota_bytes"] or quota_bytes
            yield _filled(practice_id, row["bucket_id"], row["files"], row["size_bytes"], quota)
        files, total = sum(r["files"] for r in rows), sum(r["size_bytes"] for r in rows)
        yield _filled(practice_id, EVERYTHING, files, total, quota_bytes)


def _filled(practice_id: UUID, subject: str, files: int, used: int, quota: int) -> Gauge:
    seen = f"{size(used)} of {size(quota)} in {files:,} files, {used / quota:.1%}"
    return Gauge(practice_id, "storage.bucket_usage", subject, used / quota, seen, used)


def _cost(sums: Sums) -> Iterator[Gauge]:
    """About what the copies of a practice's documents cost a month, had it no plan: as many bytes
    lie at the provider as here, and each is read back once."""
    for practice_id, rows in _by_practice(sums.usage).items():
        kept, out = sum(row["size_bytes"] for row in rows), sums.month_up.get(practice_id, 0)
        cost = kept / 1e9 * USD_A_GB_KEPT + out / 1e9 * USD_A_GB_OUT
        seen = f"about {cost:.2f} USD a month: {size(kept)} kept, {size(out)} out in 30 days"
        yield Gauge(practice_id, "storage.cost", "copies", cost, seen)


async def _bandwidth(connection: Connection, sums: Sums, drill: str | None) -> list[Gauge]:
    """The last hour beside the same one of earlier weeks, on the practice's own clock."""
    spans = [
        (practice.id, week, span.since, span.until)
        for practice in sums.practices
        for week in range(1, WEEKS + 1)
        for span in [last_window(practice.zone, practice.now, HOUR_S, week)]
        if practice.id in sums.first_hour and sums.first_hour[practice.id] <= span.until
    ]
    before = await read_same_hours(connection, drill, spans)
    weeks: dict[UUID, list[dict[str, float]]] = defaultdict(list)
    for practice_id, week, _since, _until in spans:
        weeks[practice_id].append(before.get((practice_id, week), {}))
    carried: dict[UUID, dict[str, int]] = defaultdict(dict)
    for row in sums.carried:
        carried[row["practice_id"]][row["bucket_id"]] = row["size_bytes"]
    return [
        gauge
        for practice in sums.practices
        for gauge in _carried(practice, carried[practice.id], weeks[practice.id])
    ]


def _carried(
    practice: Practice, now: Mapping[str, int], weeks: Sequence[Mapping[str, float]]
) -> Iterator[Gauge]:
    buckets = {bucket for each in (now, *weeks) for bucket in each if bucket}
    for subject in (EVERYTHING, *sorted(buckets)):
        every = subject == EVERYTHING
        used = sum(now.values()) if every else now.get(subject, 0)
        usual = [sum(w.values()) if every else w.get(subject, 0.0) for w in weeks]
        seen, value = f"{size(used)} in the last hour", None
        if len(usual) >= FEWEST_WEEKS:
            middle = median(usual)
            value = used / max(middle, _LEAST_USUAL)
            seen += f", {size(middle)} is usual at this hour"
        else:
            seen += "; too few weeks to know what is usual"
        yield Gauge(practice.id, "storage.bandwidth", subject, value, seen, used)


def _lost(sums: Sums) -> Iterator[Gauge]:
    for row in sums.swept:
        seen = f"{row['lost']:,} lost at the last sweep, {row['age_s'] / 60:.0f} min ago"
        lost = row["lost"]
        yield Gauge(row["practice_id"], "storage.lost_files", "bytes", lost, seen, lost)


def _disk(sums: Sums) -> Iterator[Gauge]:
    """One disk for all: told with the first practice."""
    if sums.disk is not None and sums.practices:
        total, free = sums.disk["total_bytes"], sums.disk["free_bytes"]
        seen = f"{size(free)} free of {size(total)}"
        first = sums.practices[0].id
        yield Gauge(
            first, "storage.disk_used", "landing disk", 1 - free / total, seen, total - free
        )


def size(of_bytes: float) -> str:
    """`950 B`, `1.2 MB`, `48.3 GB`: a megabyte is a million bytes."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if of_bytes >= scale:
            return f"{of_bytes / scale:.1f} {unit}"
    return f"{of_bytes:.0f} B"


def _by_practice(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["practice_id"]].append(row)
    return found
