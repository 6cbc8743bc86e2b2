"""What the room's gauges are made of: sums over transfers, usage, sweeps and the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection

HOUR_S = 3600.0
DAY_S = 86_400.0
# How old sums of a bucket's files may be: they are taken over every row.
USAGE_EVERY_S = 300.0

# $1 is a drill's run, or null for what is none. Of a drill only its own is counted.
_CAME = """
select practice_id, way, outcome, fault, sum(number)::int8 as number
  from storage.moved
 where drill is not distinct from $1 and at > app.now() - $2 * interval '1 s'
 group by 1, 2, 3, 4
"""
_TIMES = """
select practice_id, size_class, sum(number)::int8 as number, sum(took_s)::float8 as took_s
  from storage.moved
 where drill is not distinct from $1 and way = 'up' and fault = 'none'
   and at > app.now() - $2 * interval '1 s'
 group by 1, 2
"""
# From landing here to being taken there.
_COPY_TIMES = """
select f.practice_id, storage.size_class((f.metadata ->> 'size')::int8) as size_class,
       count(*) as number,
       sum(greatest(extract(epoch from d.accepted_at - d.due_at), 0))::float8 as took_s
  from delivery d
  join storage.file f on f.practice_id = d.practice_id and f.version = d.subject_id::text
 where $1::text is null and d.integration = 'storage' and d.kind = 'document' and d.drill is null
   and d.accepted_at > app.now() - $2 * interval '1 s'
 group by 1, 2
"""
_HOUR = """
select practice_id, bucket_id, sum(size_bytes)::int8 as size_bytes
  from storage.moved
 where drill is not distinct from $1 and at > app.now() - $2 * interval '1 s'
 group by 1, 2
"""
# An hour of the clock counts by the part of it that lies in the span.
_SAME_HOUR = """
select w.practice_id, w.week, t.bucket_id, sum(t.size_bytes * extract(epoch from
         least(t.hour + interval '1 hour', w.until) - greatest(t.hour, w.since)) / 3600)::float8
         as size_bytes
  from unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[])
         as w (practice_id, week, since, until)
  join storage.traffic t on t.practice_id = w.practice_id and t.drill = coalesce($1, '')
   and t.hour > w.since - interval '1 hour' and t.hour < w.until
 group by 1, 2, 3
"""
_SINCE = """
select practice_id, min(hour) as hour from storage.traffic
 where drill = coalesce($1, '') group by 1
"""
_PRACTICES = """
select p.id, p.timezone, app.now() as now from practice p
 where $1::text is not null and p.is_drill or $1 is null and not p.is_drill
 order by exists (select from credential c where c.practice_id = p.id
                     and c.integration = 'storage' and c.active and c.drill is not distinct from $1)
          desc, p.is_default desc, p.slug
"""
_IS_OLD = """
select coalesce(max(counted_at) < app.now() - $1 * interval '1 s', true) from storage.usage
 where drill = ''
"""
# Removed versions that are kept fill it too, and are no files.
_COUNT_USAGE = """
with removed as (
  select practice_id, bucket_id, sum((metadata ->> 'size')::int8) as size_bytes
    from storage.archived group by practice_id, bucket_id
), counted as (
  select b.practice_id, b.id as bucket_id, b.quota_bytes, count(f.id) as files,
         (coalesce(sum((f.metadata ->> 'size')::int8), 0) + coalesce((
           select r.size_bytes from removed r
            where r.practice_id = b.practice_id and r.bucket_id = b.id), 0))::int8 as size_bytes
    from storage.buckets b
    left join storage.file f on f.practice_id = b.practice_id and f.bucket_id = b.id
   group by b.practice_id, b.id, b.quota_bytes
), gone as (
  delete from storage.usage u where u.drill = '' and not exists (
    select from counted c where c.practice_id = u.practice_id and c.bucket_id = u.bucket_id)
)
insert into storage.usage (practice_id, bucket_id, files, size_bytes, quota_bytes)
select practice_id, bucket_id, files, size_bytes, quota_bytes from counted
on conflict (practice_id, bucket_id, drill) do update set files = excluded.files,
  size_bytes = excluded.size_bytes, quota_bytes = excluded.quota_bytes, counted_at = app.now()
"""
# A copy of each is read back once.
_MONTH_UP = """
select practice_id, sum(size_bytes)::int8 as size_bytes from storage.moved
 where drill is not distinct from $1 and way = 'up' and fault = 'none'
   and at > app.now() - interval '30 days'
 group by 1
"""
_USAGE = """
select practice_id, bucket_id, files, size_bytes, quota_bytes from storage.usage
 where drill = coalesce($1, '') order by practice_id, bucket_id
"""
_SWEPT = """
select practice_id, unnamed, lost, extract(epoch from app.now() - swept_at)::float8 as age_s
  from storage.sweep where drill = coalesce($1, '')
"""
_KEEP_SWEPT = """
insert into storage.sweep (practice_id, unnamed, lost)
select p.id, coalesce(g.unnamed, 0), coalesce(g.lost, 0) from practice p
  left join unnest($1::uuid[], $2::int8[], $3::int8[]) as g (practice_id, unnamed, lost)
    on g.practice_id = p.id
on conflict (practice_id, drill) do update set unnamed = excluded.unnamed, lost = excluded.lost,
  swept_at = app.now()
"""
_DISK = "select total_bytes, free_bytes from storage.disk where drill = coalesce($1, '')"
_KEEP_DISK = """
insert into storage.disk (total_bytes, free_bytes) values ($1, $2)
on conflict (drill) do update set total_bytes = excluded.total_bytes,
  free_bytes = excluded.free_bytes, looked_at = app.now()
"""


@dataclass(frozen=True, slots=True)
class Practice:
    id: UUID
    zone: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows as they were read, each with its practice; one drill's, or what is no drill's."""

    practices: Sequence[Practice]
    hour: Sequence[Any]  # outcomes of the last hour
    day: Sequence[Any]  # and of the last day
    landing_times: Sequence[Any]
    copy_times: Sequence[Any]
    carried: Sequence[Any]  # bytes of the last hour
    usage: Sequence[Any]
    month_up: Mapping[UUID, int]  # bytes that landed in thirty days
    swept: Sequence[Any]
    disk: Any | None
    first_hour: Mapping[UUID, datetime]


async def read_sums(connection: Connection, drill: str | None) -> Sums:
    """Runs as the dispatcher."""
    return Sums(
        practices=[
            Practice(row["id"], row["timezone"], row["now"])
            for row in await connection.fetch(_PRACTICES, drill)
        ],
        hour=await connection.fetch(_CAME, drill, HOUR_S),
        day=await connection.fetch(_CAME, drill, DAY_S),
        landing_times=await connection.fetch(_TIMES, drill, DAY_S),
        copy_times=await connection.fetch(_COPY_TIMES, drill, DAY_S),
        carried=await connection.fetch(_HOUR, drill, HOUR_S),
        usage=await connection.fetch(_USAGE, drill),
        month_up={
            row["practice_id"]: row["size_bytes"]
            for row in await connection.fetch(_MONTH_UP, drill)
        },
        swept=await connection.fetch(_SWEPT, drill),
        disk=await connection.fetchrow(_DISK, drill),
        first_hour={
            row["practice_id"]: row["hour"] for row in await connection.fetch(_SINCE, drill)
        },
    )


async def read_same_hours(
    connection: Connection,
    drill: str | None,
    spans: Sequence[tuple[UUID, int, datetime, datetime]],
) -> dict[tuple[UUID, int], dict[str, float]]:
    """Bytes of each bucket in spans of earlier weeks, by practice and week."""
    found: dict[tuple[UUID, int], dict[str, float]] = {}
    if not spans:
        return found
    columns = [list(column) for column in zip(*spans, strict=True)]
    for row in await connection.fetch(_SAME_HOUR, drill, *columns):
        of_week = found.setdefault((row["practice_id"], row["week"]), {})
        of_week[row["bucket_id"]] = row["size_bytes"]
    return found


async def count_usage(connection: Connection, *, every_s: float = USAGE_EVERY_S) -> None:
    """Sum every bucket up, if that was long enough ago."""
    if await connection.fetchval(_IS_OLD, every_s):
        await connection.execute(_COUNT_USAGE)


async def keep_swept(
    connection: Connection, unnamed: Mapping[UUID, int], lost: Mapping[UUID, int]
) -> None:
    """What a sweep found; nothing of every other practice."""
    ids = sorted({*unnamed, *lost})
    await connection.execute(
        _KEEP_SWEPT,
        ids,
        [unnamed.get(each, 0) for each in ids],
        [lost.get(each, 0) for each in ids],
    )


async def keep_disk(connection: Connection, total_bytes: int, free_bytes: int) -> None:
    await connection.execute(_KEEP_DISK, total_bytes, free_bytes)
