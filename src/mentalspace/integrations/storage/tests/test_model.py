"""Keys, sizes and types; and what a file is by its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.integrations.storage.model import (
    is_allowed,
    is_bucket_name,
    is_key,
    media_type,
    parse_size,
)
from mentalspace.integrations.storage.routes.ranges import NoSuchRange, stretch
from mentalspace.integrations.storage.sniff import SIGNS, is_active, is_what_it_says

HEADS = {
    "application/pdf": b"%PDF-1.4 ...",
    "audio/mp4": b"\0\0\0\x20ftypM4A ",
    "audio/mpeg": b"ID3\x04",
    "audio/ogg": b"OggS\0",
    "audio/wav": b"RIFF\x10\0\0\0WAVEfmt ",
    "audio/webm": b"\x1aE\xdf\xa3\x9f",
    "image/gif": b"GIF89a",
    "image/jpeg": b"\xff\xd8\xff\xe1",
    "image/png": b"\x89PNG\r\n\x1a\n\0",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
}


@pytest.mark.parametrize(
    ("given_size", "size"),
    [
        ("50MB", 50_000_000),
        ("1 mb".replace(" ", ""), 1_000_000),
        ("10kb", 10_000),
        ("7", 7),
        (9, 9),
    ],
)
def test_a_megabyte_is_a_million_bytes(given_size: str | int, size: int) -> None:
    """Sizes are read as Supabase reads them."""
    assert parse_size(given_size) == size


@pytest.mark.parametrize("given_size", ["", "MB", "5 apples", "-1", 0, -5, True, "9999GB", "1e9"])
def test_a_size_that_is_none(given_size: str | int) -> None:
    """Anything else is a mistake and no size."""
    with pytest.raises(ValueError, match="a size"):
        parse_size(given_size)


@pytest.mark.parametrize("key", ["a", "a/b c (1).pdf", "x/-_.*'() &$=@;:+,?!", "k" * 1024])
def test_keys_that_are(key: str) -> None:
    """Supabase's letters, in steps."""
    assert is_key(key)


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".", "a/../b", "ä", "a\nb", "a\0", "a%b", "a\\b", "k" * 1025]
)
def test_keys_that_are_not(key: str) -> None:
    """Other letters, and paths that others would read otherwise."""
    assert not is_key(key)


@given(st.text(max_size=30))
def test_a_bucket_has_no_steps(name: str) -> None:
    """Whatever is a bucket's name is one step of an address, and none of the surface's words."""
    if is_bucket_name(name):
        assert is_key(name)
        assert "/" not in name
        assert name not in ("sign", "public", "list")


def test_types_are_read_and_compared() -> None:
    """Without parameters, in small letters; a family admits its own."""
    assert media_type("Text/Plain; charset=UTF-8") == "text/plain"
    assert media_type("nonsense") == media_type("a/b\r\nx: y") == ""
    assert is_allowed("image/png", ["image/*"])
    assert not is_allowed("text/html", ["image/*", "application/pdf"])
    assert is_allowed("text/html", None)


@pytest.mark.parametrize("media", HEADS)
def test_content_is_what_it_says(media: str) -> None:
    """A type's own content passes, and no other type's does under its name."""
    assert is_what_it_says(media, HEADS[media])
    for other, head in HEADS.items():
        if media.partition("/")[2] != other.partition("/")[2]:
            assert not is_what_it_says(media, head), other
    for active in (b"<!doctype html>", b"<svg xmlns=", b"<script>", b"#!/bin/sh", b""):
        assert not is_what_it_says(media, active)


@pytest.mark.parametrize(
    "head",
    [b"\xef\xbb\xbf<html>", b"  \n<SVG ", "<script>".encode("utf-16"), b"<?xml version='1.0'?>"],
)
def test_active_content_is_known_in_disguise(head: bytes) -> None:
    """A mark of its encoding, blanks and capitals hide nothing; plain text is plain."""
    assert is_active(head)
    assert not is_what_it_says("text/plain", head)
    assert is_what_it_says("text/plain", b"a < b, and so on")
    assert not is_what_it_says("text/plain", HEADS["application/pdf"])
    assert "text/plain" not in SIGNS


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40))
def test_a_stretch_lies_in_the_file(first: int, last: int, size: int) -> None:
    """Whatever is asked for, what is given is a part of the file, or nothing is."""
    for header in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            found = stretch(header, size)
        except NoSuchRange:
            continue
        if found is not None:
            assert 0 <= found[0] < found[1] <= size
