"""What a project keeps: its buckets and objects on the kit's shelf, their bytes in files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.integrations.storage.supabase.sandbox.words import (
    PROVIDER,
    ROOM,
    Json,
    iso,
    option,
)

_BUCKET, _OBJECT = "bucket", "object"


class Shelves:
    """Rows are journalled; a file is on disk, whole, before the row that names it."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._files = kit.directory / f"{ROOM}-{PROVIDER}"

    @property
    def spool(self) -> Path:
        return self._files / "coming"

    # Buckets -------------------------------------------------------------------------------------

    def buckets(self, account: Account) -> list[Json]:
        """Those that every project begins with, then its own."""
        own = {row["id"]: row for row in self._kit.shelf.all(account.id, _BUCKET)}
        named = dict.fromkeys((*option(self._kit, account, "buckets"), *own))
        return [row for name in named if (row := self.bucket(account, name)) is not None]

    def bucket(self, account: Account, name: str) -> Json | None:
        row = self._kit.shelf.get(account.id, _BUCKET, name)
        if row is not None:
            return None if row.get("gone") else row
        if name in option(self._kit, account, "buckets"):
            return bucket_row(name, "2026-01-05T09:00:00.000Z")
        return None

    def put_bucket(self, account: Account, row: Json) -> None:
        self._kit.shelf.put(account.id, _BUCKET, row["id"], row)

    def remove_bucket(self, account: Account, name: str) -> None:
        self._kit.shelf.put(account.id, _BUCKET, name, {"id": name, "gone": True})

    # Objects -------------------------------------------------------------------------------------

    def objects(self, account: Account, bucket: str) -> Iterator[Json]:
        return (r for r in self._kit.shelf.all(account.id, _OBJECT) if r["bucket_id"] == bucket)

    def object(self, account: Account, bucket: str, name: str) -> Json | None:
        return self._kit.shelf.get(account.id, _OBJECT, f"{bucket}/{name}")

    def put_object(self, account: Account, row: Json) -> None:
        """Instead of the one of that name, whose file goes."""
        before = self.object(account, row["bucket_id"], row["name"])
        self._kit.shelf.put(account.id, _OBJECT, f"{row['bucket_id']}/{row['name']}", row)
        if before is not None and before["version"] != row["version"]:
            self.file(account, before).unlink(missing_ok=True)

    def remove_object(self, account: Account, row: Json, *, keep_file: bool = False) -> None:
        self._kit.shelf.remove(account.id, _OBJECT, f"{row['bucket_id']}/{row['name']}")
        if not keep_file:
            self.file(account, row).unlink(missing_ok=True)

    def file(self, account: Account, row: Json) -> Path:
        return self._files / account.id / str(row["version"])

    def new_file(self, account: Account) -> tuple[str, Path]:
        """A version of its own, and where its bytes are to lie."""
        version = str(uuid4())
        path = self._files / account.id / version
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return version, path

    def touch(self, row: Json) -> Json:
        return {**row, "updated_at": iso(self._kit.clock.now())}


def bucket_row(name: str, at: str, **fields: object) -> Json:
    row: Json = {
        "id": name,
        "name": name,
        "owner": "",
        "public": False,
        "file_size_limit": None,
        "allowed_mime_types": None,
        "type": "STANDARD",
        "created_at": at,
        "updated_at": at,
    }
    return {**row, **fields}


def keep(path: Path) -> None:
    """A file and its name survive a crash once this returns."""
    for each, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY)):
        handle = os.open(each, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
