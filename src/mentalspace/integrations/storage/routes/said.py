"""Reads what is said of a file that is put in: its metadata, and the label that law gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mentalspace.integrations.storage.keep import Said
from mentalspace.integrations.storage.notice import PART2
from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused

LABEL_HEADER = "x-document-label"
# In the metadata, for clients that send no header of their own. It stays there no longer than that:
# what a file is labelled says its row.
_IN_METADATA = "document_label"


def said_of(metadata: Mapping[str, Any] | None, label: object) -> Said:
    """`label` is a field's or a header's, before the one in the metadata. Raises Refused."""
    kept = dict(metadata or {})
    within = kept.pop(_IN_METADATA, None)
    return Said(None if metadata is None else kept, label_in(label) or label_in(within))


def label_in(given: object) -> str | None:
    """None for none. Raises Refused for what is no label: a slip leaves nothing unmarked."""
    if given in (None, ""):
        return None
    if given != PART2:
        raise Refused(BAD_REQUEST, f"label: give {PART2}, or leave it out")
    return PART2
