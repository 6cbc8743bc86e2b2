"""Reads a multipart upload as it comes: small fields are kept, the file's bytes are handed on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LARGEST_FIELDS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """`filename` is what the file is called where it came from."""

    fields: dict[str, str]
    filename: str


@dataclass(slots=True)
class _Part:
    name: str
    content_type: str
    filename: str | None
    text: bytearray = field(default_factory=bytearray)

    @property
    def is_file(self) -> bool:
        return self.filename is not None


class _Reader:
    """What the parser calls while it is fed. The file's pieces wait until the feed returns."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.file: _Part | None = None
        self.ended = False
        self._part: _Part | None = None
        self._headers: dict[str, str] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._size = 0

    def part_begin(self) -> None:
        self._headers = {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_end(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        self._headers[name] = self._header_value.decode("latin-1")
        self._header_name.clear()
        self._header_value.clear()

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._part = _Part(
            options.get(b"name", b"").decode("utf-8", "replace"),
            self._headers.get("content-type", ""),
            options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None,
        )
        if self._part.is_file:
            if self.file is not None:
                raise Refused(BAD_REQUEST, "A form carries one file")
            self.file = self._part

    def part_data(self, data: bytes, start: int, end: int) -> None:
        assert self._part is not None
        if self._part.is_file:
            self.pieces.append(data[start:end])
            return
        self._size += end - start
        if self._size > _LARGEST_FIELDS:
            raise Refused(BAD_REQUEST, "The form's fields are too long")
        self._part.text += data[start:end]

    def part_end(self) -> None:
        assert self._part is not None
        if not self._part.is_file:
            self.fields[self._part.name] = self._part.text.decode("utf-8", "replace")

    def end(self) -> None:
        self.ended = True


async def read_form(
    stream: AsyncIterator[bytes],
    content_type: str,
    declare: Callable[[str], None],
    write: Callable[[bytes], Awaitable[None]],
) -> Form:
    """All of it but the file. `declare` gets the file's type before its first byte.

    Raises Refused for what is no whole form with one file; whatever the two raise goes through.
    """
    reader = _Reader()
    parser = MultipartParser(_boundary(content_type), _callbacks(reader))
    declared = False
    async for chunk in stream:
        try:
            parser.write(chunk)
        except MultipartParseError as error:
            raise Refused(BAD_REQUEST, "The form cannot be read") from error
        if reader.file is not None and not declared:
            declare(reader.file.content_type)
            declared = True
        pieces, reader.pieces = reader.pieces, []
        for piece in pieces:
            await write(piece)
    if not reader.ended:
        raise Refused(BAD_REQUEST, "The form ends before its end")
    if reader.file is None:
        raise Refused(BAD_REQUEST, "The form has no file")
    return Form(reader.fields, reader.file.filename or "")


def _callbacks(reader: _Reader) -> MultipartCallbacks:
    return {
        "on_part_begin": reader.part_begin,
        "on_header_field": reader.header_field,
        "on_header_value": reader.header_value,
        "on_header_end": reader.header_end,
        "on_headers_finished": reader.headers_finished,
        "on_part_data": reader.part_data,
        "on_part_end": reader.part_end,
        "on_end": reader.end,
    }


def _boundary(content_type: str) -> bytes:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise Refused(BAD_REQUEST, "The form says no boundary")
    return boundary
