"""What the practice means by a file's place: buckets, keys, sizes and types."""

from __future__ import annotations

import re
from uuid import UUID

PREFIX = "/storage/v1"  # where Supabase Storage's addresses begin

CLIENT_DOCUMENTS = "client-documents"
INSURANCE_CARDS = "client-insurance-cards"
CONSENTS = "telehealth-consents"
SIGNATURES = "client-signatures"
RECORDINGS = "session-recordings"
TESTS = "test-documents"  # outside production only

_UNITS = {"": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SIZE = re.compile(r"([0-9]{1,12})(B|KB|MB|GB)?")

# What a bucket without a limit of its own takes, and what none may go beyond.
USUAL_LIMIT = 50_000_000
LARGEST_LIMIT = 5_000_000_000
LARGEST_QUOTA = 10**15

# How long what was replaced or deleted is kept.
USUAL_RETENTION_DAYS = 30
LONGEST_RETENTION_DAYS = 36_500

# What a browser may show in its own window; everything else is saved.
SHOWN = frozenset({"application/pdf", "image/jpeg", "image/png"})

LONGEST_KEY = 1024
LONGEST_BUCKET_NAME = 100
# source: https://supabase.com/docs/guides/storage/uploads/file-limits
_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$=@;:+,?-]+")
_BUCKET_NAME = re.compile(r"[A-Za-z0-9_!.*'() &$=@;:+,?-]+")
# Words that stand in a bucket's place in an address.
_RESERVED = frozenset(
    "authenticated copy info list list-v2 move public sign upload resumable".split()
)
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,100}")


def parse_size(given: str | int, *, most: int = LARGEST_LIMIT) -> int:
    """Bytes from a number or from text such as `50MB`; a megabyte is a million bytes.

    Raises ValueError for anything else.
    """
    if isinstance(given, bool):
        raise ValueError("a size is a number of bytes, or text such as 50MB")
    if isinstance(given, int):
        size = given
    else:
        found = _SIZE.fullmatch(given.strip().upper())
        if found is None:
            raise ValueError("a size is a number of bytes, or text such as 50MB")
        size = int(found[1]) * _UNITS[found[2] or ""]
    if not 0 < size <= most:
        raise ValueError(f"a size lies between 1 and {most} bytes")
    return size


def is_key(key: str) -> bool:
    """Whether a file may have this name. A browser and a proxy would rewrite a path that has empty
    or dotted steps, so that it would mean one thing here and another there."""
    return (
        len(key) <= LONGEST_KEY
        and _KEY.fullmatch(key) is not None
        and all(step not in ("", ".", "..") for step in key.split("/"))
    )


def is_bucket_name(name: str) -> bool:
    return (
        len(name) <= LONGEST_BUCKET_NAME
        and _BUCKET_NAME.fullmatch(name) is not None
        and name.strip() == name
        and name not in _RESERVED
        and name not in (".", "..")
    )


def media_type(header: str) -> str:
    """The type without its parameters, in lower case; empty if it is none."""
    name = header.partition(";")[0].strip().lower()
    return name if _TYPE.fullmatch(name) else ""


def is_allowed(media: str, allowed: list[str] | None) -> bool:
    """Whether a bucket takes the type. It may name a whole family, as in `image/*`."""
    if allowed is None:
        return True
    family = f"{media.partition('/')[0]}/*"
    return media in allowed or family in allowed or "*/*" in allowed


def client_of(key: str) -> UUID | None:
    """Whose a file is: a client's files lie in a folder named by the client's id, as the database
    reads it too."""
    folder, slash, _rest = key.partition("/")
    return UUID(folder) if slash and _ID.fullmatch(folder) else None


def last_step(key: str) -> str:
    return key.rpartition("/")[2]
