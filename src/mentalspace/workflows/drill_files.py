"""What a drill of file storage pretends: uploads that failed, traffic, a full bucket, lost bytes, a
full disk. It stands where the true figures come from, under the drill's own name."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from mentalspace.engine.db import connect_owner
from mentalspace.engine.runbook.drill import Param
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.measuring import measure

_BUCKET = "client-documents"
_UPLOADS = """
insert into storage.transfer (practice_id, bucket_id, way, outcome, fault, size_bytes, took_s,
                              drill)
select $1, $3, 'up', case when n <= $5 then 'InternalError' else 'done' end,
       case when n <= $5 then 'ours' else 'none' end, 100000, 0.2, $2
  from generate_series(1, $4::int) as n
"""
_NOW = """
insert into storage.transfer (practice_id, bucket_id, way, outcome, fault, size_bytes, took_s,
                              drill)
values ($1, $3, 'down', 'done', 'none', $4, 60, $2)
"""
# Two hours of each week, so that the same hour is whole wherever in it we are.
_BEFORE = """
insert into storage.traffic (practice_id, hour, bucket_id, way, outcome, fault, size_class, drill,
                             number, size_bytes, took_s)
select $1,
       date_trunc('hour', app.now(), 'UTC') - week * interval '7 days' - back * interval '1 hour',
       $3, 'down', 'done', 'none', '50 MB and more', $2, 1, $4, 60
  from generate_series(1, $5::int) as week cross join generate_series(0, 1) as back
"""
_FULL = """
insert into storage.usage (practice_id, bucket_id, files, size_bytes, quota_bytes, drill)
values ($1, $3, 1000, $4, $5, $2)
"""
_LOST = "insert into storage.sweep (practice_id, unnamed, lost, drill) values ($1, 0, $3, $2)"
_DISK = "insert into storage.disk (total_bytes, free_bytes, drill) values ($2, $3, $1)"
_DISK_BYTES = 100 * 1000**3


async def pretend_files(
    services: Services, practice_id: UUID, run_id: str, params: Mapping[str, Param]
) -> None:
    """`of` says what; then the room measures itself, as its chore does. Raises LookupError."""
    whose = (practice_id, run_id)
    async with connect_owner(services.admin_url) as owner:
        match params["of"]:
            case "uploads":
                count, failed = int(params["count"]), int(params["failed"])
                await owner.execute(_UPLOADS, *whose, _BUCKET, count, failed)
            case "traffic":
                weeks = int(params["weeks"])
                await owner.execute(_NOW, *whose, _BUCKET, int(params["bytes"]))
                await owner.execute(_BEFORE, *whose, _BUCKET, int(params["usual_bytes"]), weeks)
            case "bucket":
                quota = int(params["quota_bytes"])
                used = int(quota * float(params["share"]))
                await owner.execute(_FULL, *whose, _BUCKET, used, quota)
            case "lost":
                await owner.execute(_LOST, *whose, int(params["files"]))
            case "disk":
                free = int(_DISK_BYTES * (1 - float(params["share"])))
                await owner.execute(_DISK, run_id, _DISK_BYTES, free)
            case other:
                raise LookupError(f"a drill of file storage cannot pretend {other!r}")
    await measure(services.database, services.settings.storage_quota_bytes, drill=run_id)
