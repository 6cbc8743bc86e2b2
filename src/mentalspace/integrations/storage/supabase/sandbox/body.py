"""An upload's body: raw, or one part of a form. It goes from file to file, never into memory."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.visit import Visit

PIECE_BYTES = 256 * 1024
# A field of a form beside its file; what is longer is cut off.
_LONGEST_FIELD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """What was uploaded: its bytes are in the file that was named for them."""

    size_bytes: int
    md5: str
    sha256: str
    media_type: str
    cache_control: str
    metadata: dict[str, Any] | None


def take_body(visit: Visit, into: Path, most: int | None, allows: Callable[[str], None]) -> Given:
    """Write the upload to `into`. Raises Problem: of more than `most` bytes, of a type that
    `allows` raises for, of a form without a file. What was written then is the caller's to drop."""
    kind, parameters = parse_options_header(visit.header("content-type") or "")
    with into.open("xb") as target:
        if kind == b"multipart/form-data":
            form = _Form(target, _Sums(most), allows)
            _parse(visit, form, parameters.get(b"boundary", b""))
            return form.given()
        media_type = kind.decode("latin-1") or "text/plain;charset=UTF-8"
        allows(media_type)
        sums = _Sums(most)
        for piece in _pieces(visit):
            sums.update(piece)
            target.write(piece)
        coded = visit.header("x-metadata")
        return sums.given(
            media_type,
            visit.header("cache-control") or "no-cache",
            _metadata(_decoded(coded)) if coded else None,
        )


class _Sums:
    """Counts and hashes what comes by. Raises Problem once it is too much."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._most is not None and self._size > self._most:
            raise Problem("EntityTooLarge")
        self._md5.update(piece)
        self._sha256.update(piece)

    def given(self, media_type: str, cache: str, metadata: dict[str, Any] | None) -> Given:
        return Given(
            self._size,
            self._md5.hexdigest(),
            self._sha256.hexdigest(),
            media_type,
            cache,
            metadata,
        )


@dataclass
class _Form:
    """Takes a form's parts as the parser meets them: the first file, and the fields."""

    target: BinaryIO
    sums: _Sums
    allows: Callable[[str], None]
    fields: dict[str, bytes] = field(default_factory=dict)
    media_type: str | None = None
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _name: bytes = b""
    _value: bytes = b""
    _into: str | None = None  # a field's name; None while it is the file, or nothing that counts
    _is_file: bool = False

    def part_begins(self) -> None:
        self._headers, self._into, self._is_file = {}, None, False

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_ends(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def headers_end(self) -> None:
        _kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"filename" in options:
            self._is_file = self.media_type is None
            if self._is_file:
                told = self._headers.get(b"content-type", b"application/octet-stream")
                self.media_type = told.decode("latin-1")
                self.allows(self.media_type)
        else:
            self._into = options.get(b"name", b"").decode("utf-8", "replace")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            piece = data[start:end]
            self.sums.update(piece)
            self.target.write(piece)
        elif self._into is not None:
            before = self.fields.get(self._into, b"")
            self.fields[self._into] = (before + data[start:end])[:_LONGEST_FIELD_BYTES]

    def given(self) -> Given:
        if self.media_type is None:
            raise Problem("InvalidRequest", "No content provided")
        told = self.fields.get("cacheControl", b"").decode("latin-1")
        metadata = self.fields.get("metadata")
        return self.sums.given(
            self.media_type,
            f"max-age={told}" if told else "no-cache",
            _metadata(metadata) if metadata else None,
        )


def _parse(visit: Visit, form: _Form, boundary: bytes) -> None:
    if not boundary:
        raise Problem("InvalidRequest", "Multipart: Boundary not found")
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.part_begins,
            "on_header_field": form.header_name,
            "on_header_value": form.header_value,
            "on_header_end": form.header_ends,
            "on_headers_finished": form.headers_end,
            "on_part_data": form.part_data,
        },
    )
    try:
        for piece in _pieces(visit):
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        raise Problem("InvalidRequest", "Unexpected end of form") from error


def _pieces(visit: Visit) -> Iterator[bytes]:
    """The body as it came, a piece at a time."""
    if visit.call.file is None:
        yield visit.call.body
        return
    with visit.call.file.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


def _decoded(coded: str) -> bytes:
    try:
        return base64.b64decode(coded)
    except binascii.Error:
        return b""


def _metadata(raw: bytes) -> dict[str, Any] | None:
    """The user's own; what is no JSON object is left out, as Supabase does."""
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
