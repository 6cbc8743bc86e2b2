"""What a delivery of this room carries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mentalspace.integrations.storage.document import (
    Document,
    guard,
    refuse_outside_tests,
    removal_of,
    sample_document,
)
from mentalspace.kernel.errors import Evidence

SAMPLE = Document.from_bytes(sample_document("client-documents/1"))


def test_a_reference_is_frozen_and_read_again() -> None:
    """The same reference gives the same bytes, and they hold no byte of the document."""
    raw = SAMPLE.to_bytes()
    assert Document.from_bytes(raw) == SAMPLE
    assert SAMPLE.to_bytes() == raw
    assert b"test of the connection" not in raw
    assert SAMPLE.place == f"client-documents/{SAMPLE.object_id}/1"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"bucket": "client-documents"}',
        replace(SAMPLE, bucket="../other").to_bytes(),
        replace(SAMPLE, version="").to_bytes(),
        replace(SAMPLE, object_id="a/b").to_bytes(),
        replace(SAMPLE, sha256="none").to_bytes(),
        replace(SAMPLE, size_bytes=-1).to_bytes(),
    ],
)
def test_what_names_no_document_leaves_nothing(payload: bytes) -> None:
    """Refused by our own guard, before any request."""
    assert guard(payload) == Evidence("refused_locally", code="unreadable")


def test_a_document_and_a_removal_may_leave() -> None:
    assert guard(SAMPLE.to_bytes()) is None
    assert guard(replace(SAMPLE, kind="removal").to_bytes()) is None


def test_a_removal_knows_where_and_no_more() -> None:
    """It is of the place that the copy went to, under a key of its own."""
    removal = removal_of(SAMPLE.place)
    assert (removal.kind, removal.place) == ("removal", SAMPLE.place)
    assert guard(removal.to_bytes()) is None


def test_a_credential_for_tests_reaches_one_bucket() -> None:
    """The bucket for tests, and no other; any other credential reaches all."""
    refused = Evidence("refused_locally", code="test_mode")
    assert refuse_outside_tests(SAMPLE.to_bytes(), True) == refused
    assert refuse_outside_tests(sample_document("test-documents/1"), True) is None
    assert refuse_outside_tests(SAMPLE.to_bytes(), False) is None
