"""What a delivery of this room carries: which landed bytes go where, or which copy is to go away.

It names the bytes and holds none of them: they lie on our own disk until they are asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from mentalspace.kernel.errors import Evidence

# Where documents for trying things out go: the one bucket that a credential for tests reaches.
TEST_BUCKET = "test-documents"

# In a path's place: the bytes lie on our shelf, under their version.
ON_SHELF = "shelf:"

_SAMPLE = Path(__file__).with_name("sample.txt")
_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Document:
    """One version of one object, as it landed; or, with `kind` removal, one that was removed here;
    or, with `kind` sealed, one that was found harmful and goes nowhere.

    `object_id` and `version` are ids and say nothing of anybody; a person's name for the file is
    not among these. `landed` is where its bytes lie: ON_SHELF, or a whole path. `media_type` is
    what the bytes are, not what somebody called them.
    """

    kind: Literal["document", "removal", "sealed"]
    bucket: str
    object_id: str
    version: str
    size_bytes: int
    sha256: str
    media_type: str
    landed: str

    @property
    def name(self) -> str:
        """Its name at a provider: another version has another, so that nothing is ever replaced
        and a repeated upload meets itself."""
        return f"{self.object_id}/{self.version}"

    @property
    def place(self) -> str:
        return f"{self.bucket}/{self.name}"

    def to_bytes(self) -> bytes:
        """Frozen form for the ledger: the same reference always gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Document:
        """Raises ValueError for what `to_bytes` never wrote."""
        try:
            return cls(**json.loads(raw))
        except TypeError as error:
            raise ValueError("not a reference to a document") from error

    def mistakes(self) -> Iterator[str]:
        """What in it cannot be."""
        if self.kind not in ("document", "removal", "sealed"):
            yield "kind"
        for name in ("bucket", "object_id", "version"):
            if not _NAMED.fullmatch(getattr(self, name)):
                yield name
        if self.size_bytes < 0:
            yield "size_bytes"
        if not _SHA256.fullmatch(self.sha256):
            yield "sha256"


def guard(payload: bytes) -> Evidence | None:
    """What must not leave: a reference that names no document."""
    try:
        mistakes = tuple(Document.from_bytes(payload).mistakes())
    except ValueError:
        return _refused("unreadable")
    return _refused("unreadable") if mistakes else None


def refuse_outside_tests(payload: bytes, test_only: bool) -> Evidence | None:
    """A credential for tests reaches the bucket for tests and no other."""
    if test_only and Document.from_bytes(payload).bucket != TEST_BUCKET:
        return _refused("test_mode")
    return None


def removal_of(place: str) -> Document:
    """The removal of what lies at a place: of its bytes nothing needs to be known."""
    bucket, object_id, version = place.split("/")
    nothing = hashlib.sha256(b"").hexdigest()
    return Document("removal", bucket, object_id, version, 0, nothing, "", "")


def sample_document(place: str) -> bytes:
    """A new document each time, that says nothing of anybody, for the bucket that `place` begins
    with."""
    content = _SAMPLE.read_bytes()
    return Document(
        kind="document",
        bucket=place.partition("/")[0],
        object_id=str(uuid4()),
        version="1",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
        landed=str(_SAMPLE),
    ).to_bytes()


def _refused(code: str) -> Evidence:
    return Evidence("refused_locally", code=code)
