"""Buckets: made, changed, listed, emptied, deleted."""

from __future__ import annotations

import re
from typing import Any

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.objects import bucket_of
from mentalspace.integrations.storage.supabase.sandbox.shelves import bucket_row
from mentalspace.integrations.storage.supabase.sandbox.visit import Handler, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import PREFIX, Json, iso

_NAME = re.compile(r"[\w!.*'() &$=@;:+,?-]{1,100}", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?", re.IGNORECASE)
# "1MB" is a million bytes.
_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_CHANGES = ("public", "file_size_limit", "allowed_mime_types")


def _list(visit: Visit) -> Reply:
    rows = visit.shelves.buckets(visit.account) if visit.asker.above_policies else []
    return json_reply(200, rows)


def _get(visit: Visit) -> Reply:
    _only_the_service(visit, "NoSuchBucket")
    return json_reply(200, bucket_of(visit))


def _create(visit: Visit) -> Reply:
    body = visit.json()
    name = body.get("id") or body.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Problem("InvalidBucketName")
    _only_the_service(visit, "AccessDenied")
    if visit.shelves.bucket(visit.account, name) is not None:
        raise Problem("BucketAlreadyExists")
    visit.shelves.put_bucket(visit.account, bucket_row(name, iso(visit.now), **_changes(body)))
    return json_reply(200, {"name": name})


def _update(visit: Visit) -> Reply:
    _only_the_service(visit, "NoSuchBucket")
    row = bucket_of(visit)
    visit.shelves.put_bucket(visit.account, {**visit.shelves.touch(row), **_changes(visit.json())})
    return json_reply(200, {"message": "Successfully updated"})


def _empty(visit: Visit) -> Reply:
    _only_the_service(visit, "NoSuchBucket")
    bucket_of(visit)
    for row in list(visit.shelves.objects(visit.account, visit.bucket)):
        visit.shelves.remove_object(visit.account, row)
    return json_reply(200, {"message": "Successfully emptied"})


def _delete(visit: Visit) -> Reply:
    _only_the_service(visit, "NoSuchBucket")
    bucket_of(visit)
    if any(visit.shelves.objects(visit.account, visit.bucket)):
        raise Problem("ResourceNotEmpty")
    visit.shelves.remove_bucket(visit.account, visit.bucket)
    return json_reply(200, {"message": "Successfully deleted"})


def _only_the_service(visit: Visit, otherwise: str) -> None:
    """Without policies on `storage.buckets`, nobody else sees one or makes one."""
    if not visit.asker.above_policies:
        raise Problem(otherwise)


def _changes(body: Json) -> Json:
    changes = {name: body[name] for name in _CHANGES if name in body}
    if changes.get("file_size_limit") is not None:
        changes["file_size_limit"] = _size(changes["file_size_limit"])
    return changes


def _size(told: Any) -> int:
    matched = _SIZE.fullmatch(str(told))
    if matched is None:
        text = "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B"
        raise Problem("InvalidRequest", text)
    return int(float(matched[1]) * _UNITS[(matched[2] or "B").upper()])


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{PREFIX}/bucket", _list),
    ("POST", f"{PREFIX}/bucket", _create),
    ("GET", f"{PREFIX}/bucket/{{bucket}}", _get),
    ("PUT", f"{PREFIX}/bucket/{{bucket}}", _update),
    ("DELETE", f"{PREFIX}/bucket/{{bucket}}", _delete),
    ("POST", f"{PREFIX}/bucket/{{bucket}}/empty", _empty),
)
