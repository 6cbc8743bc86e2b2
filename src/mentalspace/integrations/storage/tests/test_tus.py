"""What an upload in pieces says of itself: addresses, metadata, lengths."""

from __future__ import annotations

import base64
import string
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mentalspace.integrations.storage.model import is_key
from mentalspace.integrations.storage.refusal import NO_UPLOAD, Refused
from mentalspace.integrations.storage.tus import Ref, read_length, read_metadata, read_ref

_STEPS = some.lists(some.text("abcXYZ019 _.-'()", min_size=1, max_size=9), min_size=1, max_size=4)
_KEYS = _STEPS.map("/".join).filter(is_key)
_NAMES = some.text("abcdN", min_size=1, max_size=12)


@given(_KEYS, some.uuids())
@settings(max_examples=30)
def test_an_address_is_read_as_it_was_written(name: str, upload_id: UUID) -> None:
    """Whatever the key: bucket, name and upload come back, and no other spelling means the same."""
    ref = Ref("client-documents", name, upload_id)
    assert read_ref(str(ref)) == ref
    assert "=" not in str(ref) and "/" not in str(ref)
    with pytest.raises(Refused):
        read_ref(str(ref) + "A")


@given(some.text(string.printable, max_size=60))
@settings(max_examples=50)
def test_what_is_no_address_is_no_upload(given_text: str) -> None:
    """Any text is an address of ours, or refused as one that is not there."""
    try:
        read_ref(given_text)
    except Refused as error:
        assert error.refusal is NO_UPLOAD


def test_an_address_keeps_to_names() -> None:
    """What no file may be called is no upload's either."""
    for path in ("a/../b/" + str(UUID(int=1)), f"list/x/{UUID(int=1)}", "client-documents/x/y"):
        with pytest.raises(Refused):
            read_ref(base64.urlsafe_b64encode(path.encode()).decode().rstrip("="))


@given(some.dictionaries(_NAMES, some.text("aZ0ß漢 ,=\n", max_size=20), max_size=5))
@settings(max_examples=30)
def test_metadata_is_read_as_it_was_sent(said: dict[str, str]) -> None:
    """Any text under any names; an empty one may come without its value."""
    pairs = [f"{key} {base64.b64encode(said[key].encode()).decode()}" for key in said]
    assert read_metadata(", ".join(pair.strip() for pair in pairs)) == said


@pytest.mark.parametrize("header", ["a ?", "a b c", " ,", "a QQ==,a QQ==", "a /w==", "x" * 20_000])
def test_metadata_that_is_none(header: str) -> None:
    """No base64, no text, no name, a name twice, or too much of it."""
    with pytest.raises(Refused):
        read_metadata(header)


def test_a_length_is_said_now_or_later() -> None:
    """One of both, and a number of bytes."""
    assert read_length({"upload-length": "0"}) == 0
    assert read_length({"upload-defer-length": "1"}) is None
    for headers in (
        {}, {"upload-length": "-1"}, {"upload-length": "٣"}, {"upload-defer-length": "2"},
        {"upload-length": "1", "upload-defer-length": "1"}, {"upload-length": "1" * 16},
    ):  # fmt: skip
        with pytest.raises(Refused):
            read_length(headers)
