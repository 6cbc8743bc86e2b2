"""Files in a bucket of S3, or of what speaks its language, under the same names as on a disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from mentalspace.integrations.storage.disk.thread import THREADS
from mentalspace.integrations.storage.ours import as_uuid, ours
from mentalspace.integrations.storage.shelf import Shelved, Source
from mentalspace.kernel.settings import S3Place

# One part of an upload: what is held of it in memory. S3 takes none below five, but for the last.
PART = 8 * 2**20

# A draft is as old as its first part, and so may be what is published of it: an hour would end one
# that still comes.
_GRACE_S = 24 * 3600.0
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload"})


class S3Shelf:
    """A Shelf. A file is there once its upload is completed, which S3 does at once or not at all;
    until then its parts are found by nobody, and cost money until they are cleared. Others may
    have files in the bucket too."""

    grace_s = _GRACE_S

    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def where(self, practice_id: UUID, version: str) -> dict[str, str]:
        """Raises ValueError for a version that is not one of ours."""
        if as_uuid(version) is None:
            raise ValueError("a version is a UUID as it was given")
        return {"Bucket": self.bucket, "Key": f"{practice_id}/{version}"}

    def begin(self, practice_id: UUID, version: str) -> S3Draft:
        return S3Draft(self.client, self.where(practice_id, version))

    def open(self, practice_id: UUID, version: str, start: int, end: int) -> Source:
        where = self.where(practice_id, version)
        with as_os_error():
            if start == end:
                self.client.head_object(**where)
                return io.BytesIO()
            try:
                given = self.client.get_object(**where, Range=f"bytes={start}-{end - 1}")
            except ClientError as error:
                if _code(error) != "InvalidRange":
                    raise
                return io.BytesIO()  # shorter than it was: whoever reads will meet it
        return S3Source(given["Body"])

    def size(self, practice_id: UUID, version: str) -> int:
        with as_os_error():
            found = self.client.head_object(**self.where(practice_id, version))
        return int(found["ContentLength"])

    def link(self, practice_id: UUID, version: str, new_version: str) -> None:
        """Copied by S3 itself: here names share no bytes."""
        with as_os_error():
            self.client.copy_object(
                **self.where(practice_id, new_version), CopySource=self.where(practice_id, version)
            )

    def delete(self, practice_id: UUID, version: str) -> None:
        with as_os_error():
            self.client.delete_object(**self.where(practice_id, version))

    def practices(self) -> list[UUID]:
        names = (
            folder["Prefix"].rstrip("/")
            for page in self._pages("list_objects_v2", Delimiter="/")
            for folder in page.get("CommonPrefixes", ())
        )
        return sorted(UUID(name) for name in ours(names, str))

    def versions(self, practice_id: UUID) -> Iterator[Shelved]:
        there = (
            Shelved(one["Key"].partition("/")[2], one["LastModified"].timestamp())
            for page in self._pages("list_objects_v2", Prefix=f"{practice_id}/")
            for one in page.get("Contents", ())
        )
        yield from ours(there, lambda one: one.version)

    def missing(self, practice_id: UUID, versions: list[str]) -> list[str]:
        """By a list of what lies between the first and the last: to ask after each costs more."""
        if not versions:
            return []
        there = set()
        after = f"{practice_id}/{versions[0][:-1]}"
        for page in self._pages("list_objects_v2", Prefix=f"{practice_id}/", StartAfter=after):
            names = [one["Key"].partition("/")[2] for one in page.get("Contents", ())]
            there.update(names)
            if names and names[-1] >= versions[-1]:
                break
        return [one for one in versions if one not in there]

    def clear_drafts(self, before: float) -> int:
        cleared = 0
        drafts = (
            one
            for page in self._pages("list_multipart_uploads")
            for one in page.get("Uploads", ())
            if as_uuid(one["Key"].partition("/")[0]) is not None
        )
        for one in ours(drafts, lambda one: one["Key"].partition("/")[2]):
            if one["Initiated"].timestamp() < before:
                _abort(self.client, {"Bucket": self.bucket, "Key": one["Key"]}, one["UploadId"])
                cleared += 1
        return cleared

    def _pages(self, operation: str, **asked: str) -> Iterator[dict[str, Any]]:
        with as_os_error():
            yield from self.client.get_paginator(operation).paginate(Bucket=self.bucket, **asked)


class S3Draft:
    """A Draft: parts of an upload, or one request for what fits into a part."""

    def __init__(self, client: Any, where: dict[str, str]) -> None:
        self._client, self._where = client, where
        self._held = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, piece: bytes | bytearray) -> None:
        self._held += piece
        while len(self._held) >= PART:
            self._send(bytes(self._held[:PART]))
            del self._held[:PART]

    def publish(self) -> None:
        if self._upload is None:
            with as_os_error():
                self._client.put_object(**self._where, Body=bytes(self._held))
            return
        if self._held:
            self._send(bytes(self._held))
        with as_os_error():
            self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
        self._upload = None

    def abandon(self) -> None:
        """An upload that cannot be ended now is cleared by the sweeper."""
        if self._upload is not None:
            _abort(self._client, self._where, self._upload)
            self._upload = None

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with as_os_error():
            if self._upload is None:
                begun = self._client.create_multipart_upload(**self._where)
                self._upload = begun["UploadId"]
            sent = self._client.upload_part(
                **self._where, UploadId=self._upload, PartNumber=number, Body=part
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


class S3Source:
    """A Source: the body of an answer."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, most: int, /) -> bytes:
        with as_os_error():
            piece: bytes = self._body.read(most)
            return piece

    def close(self) -> None:
        self._body.close()


@lru_cache
def open_s3(place: S3Place) -> S3Shelf:
    """One client for a process: it is safe in many threads, and holds the lines open."""
    client = get_session().create_client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=place.key,
        aws_secret_access_key=place.secret,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            max_pool_connections=THREADS,
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 3},
        ),
    )
    return S3Shelf(client, place.bucket)


@contextmanager
def as_os_error() -> Iterator[None]:
    """What goes wrong with a bucket is told as it would be of a disk, and quotes nothing."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _MISSING:
            raise FileNotFoundError("there is no such file in the bucket") from error
        raise OSError(f"the bucket answered {_code(error)}") from error
    except BotoCoreError as error:
        raise OSError(f"the bucket cannot be reached: {type(error).__name__}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _abort(client: Any, where: dict[str, str], upload: str) -> None:
    """Twice is no mistake."""
    try:
        client.abort_multipart_upload(**where, UploadId=upload)
    except (ClientError, BotoCoreError):
        return
