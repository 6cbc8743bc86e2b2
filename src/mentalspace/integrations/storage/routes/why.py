"""Why a file is given by a link and to whom, as whoever makes the link says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from mentalspace.integrations.storage.refusal import BAD_REQUEST, Refused
from mentalspace.integrations.storage.store.links import Purpose, Why

_LONGEST = 120


def why_of(body: Mapping[str, Any]) -> Why:
    """Either may be left out. Raises Refused."""
    purpose, recipient = body.get("purpose"), body.get("recipient")
    if purpose is not None and purpose not in get_args(Purpose):
        raise Refused(BAD_REQUEST, f"purpose: one of {', '.join(get_args(Purpose))}")
    if recipient is None:
        return Why(purpose, None)
    said = " ".join(recipient.split()) if isinstance(recipient, str) else ""
    if not 0 < len(said) <= _LONGEST or not said.isprintable():
        raise Refused(
            BAD_REQUEST, f"recipient: name the office in 1 to {_LONGEST} letters, never a client"
        )
    return Why(purpose, said)
