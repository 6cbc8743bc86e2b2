"""Late, missing, slow, or not to be told: what a few answers of the provider add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mentalspace.engine.called_back import MISSING_AFTER_S, judge

NOW = datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(seconds=MISSING_AFTER_S)
JUST_NOW = NOW - timedelta(seconds=MISSING_AFTER_S - 1)
CALM: dict[str, Any] = {
    "late_s": None, "since": None, "came_late_s": None, "came_since": None, "open_since": None,
    "prompt": 0, "asked": 6, "on_its_way": 0, "unanswered": 0, "now": NOW,
}  # fmt: skip
DATED = {"late_s": [420.0, 400.0, 440.0], "since": LONG_AGO}


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ({}, None),
        (DATED, "late"),
        ({"came_late_s": [420.0] * 3, "came_since": LONG_AGO}, "late"),
        ({**DATED, "late_s": [420.0] * 2}, None),  # of two each may have its own reason
        ({**DATED, "prompt": 3}, None),  # it is over
        ({"open_since": [LONG_AGO] * 3}, "missing"),
        ({"open_since": [JUST_NOW] * 3}, None),  # it may be late
        ({**DATED, "open_since": [LONG_AGO] * 3}, "missing"),  # late ones came, and no more do
        ({"on_its_way": 3}, "slow"),
        ({"on_its_way": 3, "asked": 9}, None),
        ({"unanswered": 3}, "unasked"),
    ],
)
def test_what_is_seen_has_one_name(seen: dict[str, Any], kind: str | None) -> None:
    said = judge({**CALM, **seen})
    assert (said and said.kind) == kind
    if said is not None:
        assert said.words and said.word
