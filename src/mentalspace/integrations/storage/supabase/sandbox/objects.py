"""Objects: uploaded, replaced, read, described, deleted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from mentalspace.emulator.outbox import Accepted, digest_of
from mentalspace.emulator.words import Excerpt, Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox.body import Given, take_body
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.shelves import keep
from mentalspace.integrations.storage.supabase.sandbox.visit import Handler, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import (
    PREFIX,
    PROVIDER,
    ROOM,
    Json,
    http_date,
    iso,
)

# source: https://supabase.com/docs/guides/storage/uploads/file-limits, and the server's own rule
_KEY = re.compile(r"[\w/!.*'() &$=@;:+,?-]+", re.ASCII)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
LONGEST_KEY = 1024

# What may become of an upload that was answered well: nothing is kept of it, or not what was sent.
LOST, ALTERED, ROTTEN = "lost", "altered", "rotten"


def valid_key(name: str) -> str:
    """The same name. Raises Problem for one that the server does not take."""
    if not _KEY.fullmatch(name) or len(name) > LONGEST_KEY:
        raise Problem("InvalidKey", f"Invalid key: {name}")
    return name


def bucket_of(visit: Visit, name: str | None = None) -> Json:
    """Raises Problem for one that is not there."""
    row = visit.shelves.bucket(visit.account, name or visit.bucket)
    if row is None:
        raise Problem("NoSuchBucket")
    return row


def find(visit: Visit, bucket: str | None = None, name: str | None = None) -> Json:
    """Raises Problem; what may not be seen is said not to be there."""
    bucket = bucket or visit.bucket
    bucket_of(visit, bucket)
    row = visit.shelves.object(visit.account, bucket, name or visit.name)
    if row is None or not visit.may("select", bucket):
        raise Problem("NoSuchKey")
    return row


def _upload(visit: Visit) -> Reply:
    return store(visit, upsert=visit.header("x-upsert") == "true")


def _update(visit: Visit) -> Reply:
    """PUT makes it where there is none."""
    visit.demand("update")
    return store(visit, upsert=True)


def store(visit: Visit, *, upsert: bool) -> Reply:
    """Take a body under the visit's name. Everything that is known beforehand is refused first."""
    name = valid_key(visit.name)
    bucket = bucket_of(visit)
    visit.demand("insert")
    before = visit.shelves.object(visit.account, visit.bucket, name)
    if before is not None and not upsert:
        raise Problem("KeyAlreadyExists")
    if before is not None:
        visit.demand("update")
    version, path = visit.shelves.new_file(visit.account)
    try:
        given = take_body(visit, path, most_bytes(visit, bucket), _allows(bucket))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    row = _row(visit, version, given, before)
    answer = {"Key": f"{visit.bucket}/{name}", "Id": row["id"]}
    fate = visit.kit.faults.pick_fate(ROOM, PROVIDER, visit.account.id)
    if fate == LOST:
        path.unlink()
        return json_reply(200, answer)
    if fate == ALTERED:
        row = _spoilt(path, row)
    if fate == ROTTEN:
        _spoilt(path, row)
    keep(path)
    visit.shelves.put_object(visit.account, row)
    accepted = accept(visit, row, given.sha256)
    return json_reply(200, answer, accepted=(accepted,))


def _spoilt(path: Path, row: Json) -> Json:
    """One bit of the first byte is another; the row with the sum of what is there now."""
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes(byte ^ 1 for byte in first))
        file.seek(0)
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return {**row, "metadata": {**row["metadata"], "eTag": f'"{md5}"'}}


def accept(visit: Visit, row: Json, sha256: str) -> str:
    """Into the outbox, where tests and people see what was taken; its id there."""
    metadata = row["metadata"]
    where = f"{row['bucket_id']}/{row['name']}"
    item = Accepted(
        id=row["version"],
        room=ROOM,
        provider=PROVIDER,
        account=visit.account.id,
        at=visit.now.isoformat(),
        digest=digest_of([where, sha256]),
        content={
            "to": [where],
            "subject": where,
            "text": f"{metadata['size']} bytes of {metadata['mimetype']}, SHA-256 {sha256}",
            "sha256": sha256,
        },
    )
    visit.kit.outbox.add(item)
    return item.id


def most_bytes(visit: Visit, bucket: Json) -> int:
    """The bucket's limit, and the project's over all."""
    limits = (bucket["file_size_limit"], visit.option("file_size_limit"))
    return min(int(limit) for limit in limits if limit is not None)


def _allows(bucket: Json) -> Callable[[str], None]:
    allowed = bucket["allowed_mime_types"]

    def check(media_type: str) -> None:
        bare = media_type.partition(";")[0].strip().lower()
        family = f"{bare.partition('/')[0]}/*"
        if allowed and bare not in allowed and family not in allowed:
            raise Problem("InvalidMimeType", f"mime type {media_type} is not supported")

    return check


def _row(visit: Visit, version: str, given: Given, before: Json | None) -> Json:
    now = iso(visit.now)
    return {
        "id": before["id"] if before else str(uuid4()),
        "bucket_id": visit.bucket,
        "name": visit.name,
        "owner": visit.asker.subject,
        "owner_id": visit.asker.subject,
        "version": version,
        "created_at": before["created_at"] if before else now,
        "updated_at": now,
        "last_accessed_at": now,
        "metadata": {
            "eTag": f'"{given.md5}"',
            "size": given.size_bytes,
            "mimetype": given.media_type,
            "cacheControl": given.cache_control,
            "lastModified": now,
            "contentLength": given.size_bytes,
            "httpStatusCode": 200,
        },
        "user_metadata": given.metadata,
    }


def _download(visit: Visit) -> Reply:
    return serve(visit, find(visit))


def _download_public(visit: Visit) -> Reply:
    """Of a public bucket alone; any other is said not to be there."""
    if not bucket_of(visit)["public"]:
        raise Problem("NoSuchBucket")
    row = visit.shelves.object(visit.account, visit.bucket, visit.name)
    if row is None:
        raise Problem("NoSuchKey")
    return serve(visit, row)


def serve(visit: Visit, row: Json) -> Reply:
    """The bytes, or the range that is asked for; nothing where the client has them already."""
    metadata = row["metadata"]
    headers = {
        "content-type": metadata["mimetype"],
        "cache-control": metadata["cacheControl"],
        "etag": metadata["eTag"],
        "last-modified": http_date(metadata["lastModified"]),
        "accept-ranges": "bytes",
        **_disposition(visit),
    }
    if visit.header("if-none-match") == metadata["eTag"]:
        return Reply(304, b"", headers)
    size, http, start, end = metadata["size"], 200, 0, metadata["size"] - 1
    asked = _RANGE.fullmatch(visit.header("range") or "")
    if asked is not None and asked[0] != "bytes=-":
        start, end = _span(asked, size)
        headers["content-range"] = f"bytes {start}-{end}/{size}"
        http = 206
    excerpt = Excerpt(visit.shelves.file(visit.account, row), start, max(0, end - start + 1))
    return Reply(http, b"", headers, file=excerpt)


def _span(asked: re.Match[str], size: int) -> tuple[int, int]:
    """First and last byte. Raises Problem for what lies behind the end."""
    if not asked[1]:
        return max(0, size - int(asked[2])), size - 1
    start = int(asked[1])
    end = min(int(asked[2]), size - 1) if asked[2] else size - 1
    if start > end:
        raise Problem("InvalidRange")
    return start, end


def _disposition(visit: Visit) -> Mapping[str, str]:
    """`?download` saves under its own name, `?download=name` under that one."""
    named = visit.query("download")
    if named is None:
        return {}
    if not named:
        return {"content-disposition": "attachment"}
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(named, safe='')}"}


def _info(visit: Visit) -> Reply:
    return json_reply(200, described(find(visit)))


def _info_public(visit: Visit) -> Reply:
    _download_public(visit)
    row = visit.shelves.object(visit.account, visit.bucket, visit.name)
    assert row is not None
    return json_reply(200, described(row))


def described(row: Json) -> Json:
    metadata = row["metadata"]
    return {
        "id": row["id"],
        "name": row["name"],
        "version": row["version"],
        "bucket_id": row["bucket_id"],
        "size": metadata["size"],
        "content_type": metadata["mimetype"],
        "cache_control": metadata["cacheControl"],
        "etag": metadata["eTag"],
        "metadata": row["user_metadata"] or {},
        "last_modified": metadata["lastModified"],
        "created_at": row["created_at"],
    }


def _delete(visit: Visit) -> Reply:
    row = find(visit)
    if not visit.may("delete"):
        raise Problem("AccessDenied", "Access denied")
    visit.shelves.remove_object(visit.account, row)
    return json_reply(200, {"message": "Successfully deleted"})


_ONE = "{bucket}/{name:path}"
_READS = (
    ("authenticated/", _download),
    ("public/", _download_public),
    ("", _download),
)

INFOS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{PREFIX}/object/info/authenticated/{_ONE}", _info),
    ("GET", f"{PREFIX}/object/info/public/{_ONE}", _info_public),
    ("GET", f"{PREFIX}/object/info/{_ONE}", _info),
)
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    *(
        (method, f"{PREFIX}/object/{kind}{_ONE}", handler)
        for kind, handler in _READS
        for method in ("GET", "HEAD")
    ),
    ("POST", f"{PREFIX}/object/{_ONE}", _upload),
    ("PUT", f"{PREFIX}/object/{_ONE}", _update),
    ("DELETE", f"{PREFIX}/object/{_ONE}", _delete),
)
