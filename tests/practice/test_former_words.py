"""What bringing a former secret back would do, in sentences: what leaves, what waits on, and whom
it reaches then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from mentalspace.engine.former import Former, differs
from mentalspace.workflows.doctor.report import RoomFinding
from mentalspace.workflows.former_words import what_it_would_do

AT = datetime(2026, 11, 28, 18, 1, tzinfo=UTC)
FORMER = Former(
    credential_id=UUID(int=1), practice_id=UUID(int=2), base_url="https://api.twilio.com",
    live=True, test_only=False, entered_at=AT - timedelta(days=90), entered_by="Noor",
    went_well=True, replaced_at=AT, forget_at=AT + timedelta(days=7), answered_at=None, good=None,
)  # fmt: skip
IN_USE = {"base_url": "https://api.exampel", "test_only": False, "entered_by": "Theo"}
STANDS: dict[str, Any] = {
    "waiting": 12, "people": 9, "resting": 0, "useless": 0, "moved": 0, "rate_per_s": 5.0,
    "paused": 0, "running": 2, "paused_by": None, "override_state": None, "override_by": None,
    "override_until": None,
}  # fmt: skip
GOES = "12 messages to 9 people would leave by it at once, at most 5 requests a second."


def _said(
    stands: dict[str, Any], in_use: dict[str, Any], *, state: Any = "good", goes: bool = True,
    **former: Any,
) -> tuple[str, ...]:  # fmt: skip
    standing: Any = SimpleNamespace(**STANDS | stands)
    changed = differs("https://api.exampel", {"a": "1"}, FORMER.base_url, {"a": "2"})
    found = RoomFinding("sms", "twilio/mesa", "former", state, "account accepted")
    row = IN_USE | in_use
    kept = replace(FORMER, **former)
    return what_it_would_do(row, kept, standing, "Twilio", changed, found, goes=goes)


def test_the_answer_comes_first_then_whose_it_was_and_what_leaves() -> None:
    said = _said({}, {})
    assert said == (
        "Twilio was asked with it just now, and answers it well: account accepted.",
        "It was entered 2026-08-30 18:01 UTC by Noor, and replaced 2026-11-28 18:01 UTC by Theo."
        " It changes a; the address from api.exampel to api.twilio.com.",
        GOES,
        "What is in use now is kept in its place for 7 days, and can be brought back the same way.",
    )
    assert "does not answer it well" in _said({}, {}, state="bad")[0]
    assert "Nothing was taken while it was in use." in _said({}, {}, went_well=False)[1]


@pytest.mark.parametrize(
    ("stands", "in_use", "goes", "told"),
    [
        ({"paused": 2, "running": 0, "paused_by": "runbook"}, {}, True, GOES),
        ({"paused": 2, "running": 0, "paused_by": "the runbook"}, {}, True, GOES),
        ({"paused": 2, "running": 0, "paused_by": "Ada"}, {}, True, "Ada has paused the lanes"),
        (
            {"override_state": "open", "override_by": "Ada", "override_until": AT},
            {},
            True,
            "Ada holds the breaker open until 2026-11-28 18:01 UTC",
        ),
        ({"waiting": 0}, {}, True, "Nothing that may leave waits now"),
        ({"resting": 7}, {}, True, "7 messages may not leave before the morning"),
        ({"useless": 1}, {}, True, "1 message would expire"),
        ({"moved": 1}, {}, True, "What has gone over to another provider stays there."),
        ({}, {}, False, "What differs only signs callbacks"),
        ({}, {"test_only": True}, True, "everybody is reached by it"),
        ({}, {"entered_by": "settings"}, True, "or the next start enters it again"),
    ],
)
def test_what_is_different_is_said(
    stands: dict[str, Any], in_use: dict[str, Any], goes: bool, told: str
) -> None:
    """And nothing of it where it is not so."""
    assert told in " ".join(_said(stands, in_use, goes=goes))
    assert told == GOES or told not in " ".join(_said({}, {}))


def test_a_former_one_in_test_mode_says_so() -> None:
    assert "only test recipients are reached by it" in " ".join(_said({}, {}, test_only=True))
