"""What a page says of whose it is, where it is known better than by the answers alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from mentalspace.engine.page_words import message_of

AT = "2026-11-29T08:15:00+00:00"


@pytest.mark.parametrize(
    ("fault", "facts", "said"),
    [
        ("theirs", {}, "Theirs; since 29 Nov, 09:00 UTC."),
        (
            "ours",
            {"test_mode": {"at": AT, "by": "command line", "by_hand": True}},
            "Ours: test mode was switched on 29 Nov, 08:15 UTC by command line; since",
        ),
        (
            "ours",
            {"entered_at": AT, "met": "theirs"},
            "Ours most likely: nothing went well since a new secret was entered 29 Nov, 08:15 UTC;",
        ),
        (
            "ours",
            {"entered_at": AT},
            "Ours: nothing went well since a new secret was entered 29 Nov, 08:15 UTC; since",
        ),
        (
            "theirs",
            {"refused_together": True, "met": "ours", "provider": "resend", "practices": 1200},
            "Theirs most likely: Resend refuses the keys of 1,200 practices; since",
        ),
        (
            "ours",
            {"before": {"case": None, "fault": "theirs"}},
            "Ours, and another cause than before it was closed or over (theirs); since",
        ),
    ],
)
def test_a_page_says_whose_it_is_and_how_that_is_known(
    fault: str, facts: dict[str, Any], said: str
) -> None:
    row = {
        "fault": fault, "facts": facts, "since": datetime(2026, 11, 29, 9, tzinfo=UTC),
        "incident_id": UUID(int=7), "rounds": 0, "severity": "high", "integration": "email",
        "drill": None, "title": "Mails fail", "step": 0,
    }  # fmt: skip
    assert message_of(row, "https://clinic.example").lines[0].startswith(said)
