"""What lies in a folder: Supabase's first way of listing, by page, and its second, by cursor."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal

from mentalspace.engine.db import Connection

SORTS = ("name", "updated_at", "created_at", "last_accessed_at")
Order = Literal["asc", "desc"]

# Keys are of ASCII: nothing sorts behind this.
_END = "\x7f"

# Folders first, by name, then the folder's own files; the search is a beginning of their names.
_LIST = """
with here as (
  select *, substr(name, length($2) + 1) as rest from storage.file
   where bucket_id = $1 and name >= $2 and name < $3
), row_of as (
  select distinct true as is_folder, split_part(rest, '/', 1) as name, null::uuid as id,
         null::timestamptz as updated_at, null::timestamptz as created_at,
         null::timestamptz as last_accessed_at, null::jsonb as metadata, null::text as label
    from here where strpos(rest, '/') > 0
  union all
  select false, rest, id, updated_at, created_at, last_accessed_at, metadata, label
    from here where strpos(rest, '/') = 0
)
select name, id, updated_at, created_at, last_accessed_at, metadata, label from row_of
 where $4 = '' or starts_with(lower(name), lower($4))
 order by is_folder desc, case when is_folder then name end {order}, {sort} {order}, name
 limit $5 offset $6
"""
_BELOW = """
select id, name, updated_at, created_at, last_accessed_at, metadata, label, false as is_folder
  from storage.file
 where bucket_id = $1 and name >= $2 and name < $3 and ($4 = '' or name {after} $4)
 order by name {order} limit $5
"""
_BESIDE = """
with here as (
  select *, substr(name, length($2) + 1) as rest from storage.file
   where bucket_id = $1 and name >= $2 and name < $3
), entry as (
  select distinct null::uuid as id, $2 || split_part(rest, '/', 1) || '/' as name,
         null::timestamptz as updated_at, null::timestamptz as created_at,
         null::timestamptz as last_accessed_at, null::jsonb as metadata, null::text as label,
         true as is_folder
    from here where strpos(rest, '/') > 0
  union all
  select id, name, updated_at, created_at, last_accessed_at, metadata, label, false
    from here where strpos(rest, '/') = 0
)
select * from entry where $4 = '' or (name collate "C") {after} $4
 order by name collate "C" {order} limit $5
"""


@dataclass(frozen=True, slots=True)
class Page:
    """`entries` are rows of files and, with a delimiter, of folders (`is_folder`), by name."""

    entries: list[dict[str, Any]]
    next_cursor: str | None


async def list_folder(
    connection: Connection,
    bucket: str,
    folder: str,
    *,
    search: str,
    limit: int,
    offset: int,
    sort: str,
    order: Order,
) -> list[dict[str, Any]]:
    """`folder` is empty or ends in a slash. A folder's row has no id. `sort` is one of SORTS."""
    assert sort in SORTS
    sql = _LIST.format(sort=sort, order=order)
    rows = await connection.fetch(sql, bucket, folder, folder + _END, search, limit, offset)
    return [dict(row) for row in rows]


async def list_after(
    connection: Connection,
    bucket: str,
    prefix: str,
    *,
    cursor: str,
    limit: int,
    delimited: bool,
    order: Order,
) -> Page:
    """What begins with `prefix`. Raises ValueError for a cursor that is none of ours."""
    template = _BESIDE if delimited else _BELOW
    sql = template.format(order=order, after=">" if order == "asc" else "<")
    seen = _position(cursor) if cursor else ""
    rows = await connection.fetch(sql, bucket, prefix, prefix + _END, seen, limit + 1)
    entries = [dict(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(entries, _cursor(entries[-1]["name"]) if more else None)


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": name}).encode()).decode()


def _position(cursor: str) -> str:
    try:
        said = json.loads(base64.urlsafe_b64decode(cursor))
        after = said["after"]
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise ValueError("the cursor is not one of ours") from error
    if not isinstance(after, str) or not after:
        raise ValueError("the cursor is not one of ours")
    return after
