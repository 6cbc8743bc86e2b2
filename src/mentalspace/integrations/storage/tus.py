"""How uploads in pieces speak: TUS 1.0.0, with the fields and addresses that Supabase gives it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from mentalspace.integrations.storage.model import is_bucket_name, is_key
from mentalspace.integrations.storage.refusal import BAD_REQUEST, NO_UPLOAD, Refused

# source: https://tus.io/protocols/resumable-upload
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration"
OFFSET_STREAM = "application/offset+octet-stream"
LONGEST_METADATA = 16 * 1024

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Ref:
    """What an upload's address says: where its file is to be, and which upload it is."""

    bucket: str
    name: str
    upload_id: UUID

    def __str__(self) -> str:
        """As Supabase writes it, and Node's base64url: without padding."""
        path = f"{self.bucket}/{self.name}/{self.upload_id}"
        return base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")


def read_ref(given: str) -> Ref:
    """Raises Refused, as for an upload that is not there."""
    try:
        path = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)).decode("ascii")
        bucket, rest = path.split("/", 1)
        name, upload_id = rest.rsplit("/", 1)
        ref = Ref(bucket, name, UUID(upload_id))
    except (ValueError, binascii.Error) as error:
        raise Refused(NO_UPLOAD) from error
    if not is_bucket_name(bucket) or not is_key(name) or str(ref) != given.rstrip("="):
        raise Refused(NO_UPLOAD)
    return ref


def read_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: pairs of a name and a base64 value, which may be missing. Raises Refused."""
    if len(header) > LONGEST_METADATA:
        raise Refused(BAD_REQUEST, "Upload-Metadata: longer than 16 KiB")
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else []:
        name, _, value = pair.strip().partition(" ")
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except (ValueError, binascii.Error) as error:
            raise Refused(BAD_REQUEST, "Upload-Metadata: a value is not base64 of text") from error
        if not name or name in found:
            raise Refused(BAD_REQUEST, "Upload-Metadata: give each value one name of its own")
        found[name] = text
    return found


def read_length(headers: Mapping[str, str]) -> int | None:
    """Upload-Length; None if it is to come later. Raises Refused unless one of both is said."""
    deferred = headers.get("upload-defer-length")
    if "upload-length" in headers and deferred is None:
        return read_number(headers, "upload-length")
    if "upload-length" in headers or deferred != "1":
        said = "Send Upload-Length, or Upload-Defer-Length: 1 and the length later"
        raise Refused(BAD_REQUEST, said)
    return None


def read_number(headers: Mapping[str, str], name: str) -> int:
    """Raises Refused."""
    given = headers.get(name, "")
    if not _NUMBER.fullmatch(given):
        raise Refused(BAD_REQUEST, f"{name.title()}: send a whole number of bytes")
    return int(given)
