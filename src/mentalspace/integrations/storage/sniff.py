"""What a file is, by its first bytes: a name and a header can say anything."""

from __future__ import annotations

from collections.abc import Callable

# How many bytes of a file are enough to know it.
ENOUGH = 512

Sign = Callable[[bytes], bool]


def _begins(*marks: bytes) -> Sign:
    return lambda head: head.startswith(marks)


def _is_riff(kind: bytes) -> Sign:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == kind


def _is_mp3(head: bytes) -> bool:
    return head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)


# source: https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern and the formats' own
SIGNS: dict[str, Sign] = {
    "application/pdf": _begins(b"%PDF-"),
    "application/zip": _begins(b"PK\x03\x04", b"PK\x05\x06"),
    "audio/mp4":       lambda head: head[4:8] == b"ftyp",
    "audio/mpeg":      _is_mp3,
    "audio/ogg":       _begins(b"OggS"),
    "audio/wav":       _is_riff(b"WAVE"),
    "audio/webm":      _begins(b"\x1aE\xdf\xa3"),
    "image/gif":       _begins(b"GIF87a", b"GIF89a"),
    "image/jpeg":      _begins(b"\xff\xd8\xff"),
    "image/png":       _begins(b"\x89PNG\r\n\x1a\n"),
    "image/webp":      _is_riff(b"WEBP"),
    "video/mp4":       lambda head: head[4:8] == b"ftyp",
    "video/webm":      _begins(b"\x1aE\xdf\xa3"),
}  # fmt: skip
# Which a browser would run, whatever they are called.
_ACTIVE = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<svg", b"<?xml", b"<iframe",
           b"<!--", b"#!")  # fmt: skip
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def is_what_it_says(media: str, head: bytes) -> bool:
    """Whether content that begins so can be of the type. A type we have no sign of must not be
    something else that we know, nor anything that a browser would run."""
    if (sign := SIGNS.get(media)) is not None:
        return sign(head)
    return not is_active(head) and not any(sign(head) for sign in SIGNS.values())


def is_active(head: bytes) -> bool:
    """Whether it is HTML, SVG or a script."""
    for bom in _BOMS:
        head = head.removeprefix(bom)
    # UTF-16 puts a zero beside each letter.
    return head.replace(b"\0", b"").lstrip().lower().startswith(_ACTIVE)
