"""What the doctor looks at where documents land: buckets, disk, sweeps, copies, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.integrations.storage.measuring import size
from mentalspace.kernel.checkup import State
from mentalspace.workflows.doctor.report import RoomFinding

_ROOM = "storage"
# The sweeper comes each hour.
_SWEPT_WITHIN_S = 2 * 3600.0
_COPIES_WARN_S = 1800.0
_DISK_WARNS = 0.9

# A bucket of several practices in one line, with the fullest of them.
_BUCKETS = """
select b.id, count(*) as practices, count(distinct b.file_size_limit) as limits,
       min(b.file_size_limit) as file_size_limit,
       max(array_to_string(b.allowed_mime_types, ' ')) as types,
       coalesce(sum(u.files), 0)::int8 as files,
       coalesce(sum(u.size_bytes), 0)::int8 as size_bytes,
       coalesce(max(u.size_bytes::float8 / coalesce(u.quota_bytes, $1)), 0) as fullest
  from storage.buckets b join practice p on p.id = b.practice_id and not p.is_drill
   and p.id = coalesce($2, p.id)
  left join storage.usage u on u.practice_id = b.practice_id and u.bucket_id = b.id
   and u.drill = ''
 group by b.id order by b.id
"""
_SWEEP = """
select coalesce(sum(unnamed), 0)::int8 as unnamed, coalesce(sum(lost), 0)::int8 as lost,
       extract(epoch from app.now() - min(swept_at))::float8 as age_s
  from storage.sweep where drill = '' and practice_id = coalesce($1, practice_id)
"""
_DISK = "select total_bytes, free_bytes from storage.disk where drill = ''"
_COPIES = """
select count(*) filter (where status <> 'held') as waiting,
       count(*) filter (where status = 'held') as held,
       extract(epoch from app.now() - min(due_at))::float8 as oldest_s
  from delivery where integration = 'storage' and kind = 'document' and drill is null
   and practice_id = coalesce($1, practice_id)
   and status in ('pending', 'due', 'sending', 'unknown', 'held')
"""
_REFUSED = """
select data ->> 'role' as role, count(*) as times
  from audit where action = 'document_refused' and at > app.now() - interval '24 hours'
   and practice_id = coalesce($1, practice_id)
 group by 1 order by 2 desc, 1
"""


async def look_at_files(services: Services, practice_id: UUID | None) -> list[RoomFinding]:
    """Of one practice, or of all as on-call: nobody is named, neither who was refused nor what."""
    quota = services.settings.storage_quota_bytes
    async with services.database.as_oncall() as connection:
        return [
            *_of_disk(await connection.fetchrow(_DISK)),
            *_of_sweep(await connection.fetchrow(_SWEEP, practice_id)),
            *_of_copies(await connection.fetchrow(_COPIES, practice_id)),
            *_of_buckets(await connection.fetch(_BUCKETS, quota, practice_id)),
            *_of_refusals(await connection.fetch(_REFUSED, practice_id)),
        ]


def _of_disk(row: Any | None) -> Iterator[RoomFinding]:
    if row is None:
        yield _found("disk", "warning", "nobody has looked at it yet: is a worker running?", "ours")
        return
    used = 1 - row["free_bytes"] / row["total_bytes"]
    text = f"{size(row['free_bytes'])} of {size(row['total_bytes'])} free"
    if used > _DISK_WARNS:
        yield _found("disk", "bad", text, "ours", "make room: when it is full no upload lands")
    else:
        yield _found("disk", "good", text)


def _of_sweep(row: Any) -> Iterator[RoomFinding]:
    if row["age_s"] is None:
        yield _found("sweep", "good", "none yet: the first is within the hour")
        return
    text = (
        f"{row['age_s'] / 60:.0f} min ago; {row['unnamed']:,} files that nobody could reach were"
        f" removed, {row['lost']:,} documents have lost their bytes"
    )
    if row["lost"]:
        cure = "mentalspace runbook show storage.access_issues; bring them back from a backup"
        yield _found("sweep", "bad", text, "ours", cure)
    elif row["age_s"] > _SWEPT_WITHIN_S:
        yield _found("sweep", "warning", text, "ours", "the worker's log says why it stands still")
    else:
        yield _found("sweep", "good", text)


def _of_copies(row: Any) -> Iterator[RoomFinding]:
    waiting, held, oldest_s = row["waiting"], row["held"], row["oldest_s"]
    if not waiting and not held:
        yield _found("copies", "good", "every copy that is to be made is made")
        return
    text = f"{waiting:,} wait, {held:,} are held for a person"
    if oldest_s and oldest_s > 0:
        text += f"; the oldest for {oldest_s / 60:.0f} min"
    late = bool(held) or (oldest_s or 0) > _COPIES_WARN_S
    yield _found("copies", "warning" if late else "good", text)


def _of_buckets(rows: Sequence[Any]) -> Iterator[RoomFinding]:
    for row in rows:
        limit = size(row["file_size_limit"]) if row["file_size_limit"] else "the house's limit"
        taken = ", ".join(map(_short, row["types"].split())) if row["types"] else "any type"
        least = "at least " if row["limits"] > 1 else ""
        text = (
            f"a file of {least}{limit}, {taken}; {size(row['size_bytes'])} in {row['files']:,}"
            f" files; practices: {row['practices']}, the fullest at {row['fullest']:.0%}"
        )
        state: State = "warning" if row["fullest"] > 0.8 else "good"
        yield _found(row["id"], state, text, "ours" if state == "warning" else None)


def _of_refusals(rows: Sequence[Any]) -> Iterator[RoomFinding]:
    if not rows:
        yield _found("policies", "good", "nobody was refused a document in 24 h")
        return
    told = ", ".join(
        f"{(row['role'] or 'nobody').replace('_', ' ')} {row['times']:,}" for row in rows
    )
    cure = "mentalspace why PERSON VERB BUCKET/NAME tells it of one person and one document"
    yield _found("policies", "good", f"refused a document in 24 h, by role: {told}", cure=cure)


def _short(media: str) -> str:
    return media.partition("/")[2] if media.startswith(("image/", "application/")) else media


def _found(
    check: str, state: State, text: str, whose: Any = None, cure: str | None = None
) -> RoomFinding:
    return RoomFinding(_ROOM, "here/documents", check, state, text, whose, cure)
