"""Ours or theirs: what the same provider said through other credentials, if it was asked."""

from __future__ import annotations

from typing import Any

import pytest

from mentalspace.console.verdict import verdict


@pytest.mark.parametrize(
    ("elsewhere", "said"),
    [
        ({"others": 0, "answered": False, "asked": False}, None),
        ({"others": 2, "answered": False, "asked": False}, "see what it answers now"),
        ({"others": 2, "answered": False, "asked": True}, "No other credential got a good answer"),
        ({"others": 2, "answered": True, "asked": True}, "more likely ours"),
    ],
)
def test_a_second_witness_is_one_that_was_asked(
    elsewhere: dict[str, Any], said: str | None
) -> None:
    """Silence of the others speaks for the provider's fault only if one of them asked."""
    incident = {"fault": "theirs", "integration": "email", "facts": {}}
    told = verdict(incident, {"latest": None, "elsewhere": elsewhere}, "Resend").elsewhere
    assert (said is None) == (told is None)
    assert said is None or said in (told or "")
