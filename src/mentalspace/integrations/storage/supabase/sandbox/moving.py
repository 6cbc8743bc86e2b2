"""Copies, moves, and deletions of many at once."""

from __future__ import annotations

import os
from uuid import uuid4

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.objects import (
    accept,
    bucket_of,
    find,
    valid_key,
)
from mentalspace.integrations.storage.supabase.sandbox.shelves import keep
from mentalspace.integrations.storage.supabase.sandbox.visit import Handler, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import PREFIX, Json, iso

MOST_DELETED = 1000


def _copy(visit: Visit) -> Reply:
    source, body = _source(visit)
    bucket, name = _target(visit, body)
    before = visit.shelves.object(visit.account, bucket, name)
    visit.demand("insert", bucket)
    if before is not None and visit.header("x-upsert") != "true":
        raise Problem("KeyAlreadyExists")
    version, path = visit.shelves.new_file(visit.account)
    os.link(visit.shelves.file(visit.account, source), path)
    keep(path)
    row = {
        **source,
        "id": str(uuid4()),
        "bucket_id": bucket,
        "name": name,
        "version": version,
        "created_at": iso(visit.now),
        "updated_at": iso(visit.now),
    }
    visit.shelves.put_object(visit.account, row)
    accepted = accept(visit, row, source["metadata"]["eTag"])
    return json_reply(
        200, {**row, "Id": row["id"], "Key": f"{bucket}/{name}"}, accepted=(accepted,)
    )


def _move(visit: Visit) -> Reply:
    source, body = _source(visit)
    bucket, name = _target(visit, body)
    visit.demand("update", source["bucket_id"])
    if visit.shelves.object(visit.account, bucket, name) is not None:
        raise Problem("KeyAlreadyExists")
    visit.shelves.remove_object(visit.account, source, keep_file=True)
    row = {**visit.shelves.touch(source), "bucket_id": bucket, "name": name}
    visit.shelves.put_object(visit.account, row)
    answer = {"message": "Successfully moved", "Id": row["id"], "Key": f"{bucket}/{name}"}
    return json_reply(200, answer)


def _source(visit: Visit) -> tuple[Json, Json]:
    body = visit.json()
    for name in ("bucketId", "sourceKey", "destinationKey"):
        if not isinstance(body.get(name), str):
            raise Problem("InvalidRequest", f"body must have required property '{name}'")
    return find(visit, body["bucketId"], body["sourceKey"]), body


def _target(visit: Visit, body: Json) -> tuple[str, str]:
    bucket = body.get("destinationBucket") or body["bucketId"]
    bucket_of(visit, bucket)
    return bucket, valid_key(body["destinationKey"])


def _delete_many(visit: Visit) -> Reply:
    """The rows that went; what is not there, or may not go, is left out in silence."""
    named = visit.json().get("prefixes")
    if not isinstance(named, list) or not 1 <= len(named) <= MOST_DELETED:
        raise Problem("InvalidRequest", "body/prefixes must NOT have fewer than 1 items")
    bucket_of(visit)
    gone = []
    for name in dict.fromkeys(map(str, named)):
        row = visit.shelves.object(visit.account, visit.bucket, name)
        if row is not None and visit.may("select") and visit.may("delete"):
            visit.shelves.remove_object(visit.account, row)
            gone.append(row)
    return json_reply(200, gone)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", f"{PREFIX}/object/copy", _copy),
    ("POST", f"{PREFIX}/object/move", _move),
    ("DELETE", f"{PREFIX}/object/{{bucket}}", _delete_many),
)
