"""What stands in a page, as its reader's telephone shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.page_words import message_of


def _title(title: str, provider: str | None, step: int = 0) -> str:
    row: dict[str, Any] = {
        "incident_id": UUID(int=1), "rounds": 0, "severity": "high", "integration": "email",
        "since": datetime(2026, 11, 29, tzinfo=UTC), "drill": None, "meant": "oncall",
        "step": step, "title": title, "fault": "theirs", "facts": {"provider": provider},
    }  # fmt: skip
    return message_of(row, "http://127.0.0.1").title


def test_two_incidents_of_one_rule_are_two_pages() -> None:
    """Each bears its provider, unless its title does so anyway or there is none."""
    title = "Five mails in a row failed"
    assert _title(title, "resend") == f"HIGH email: {title} (resend)"
    assert _title(title, "smtp", 1) == f"HIGH email: {title} (smtp), page 2"
    out = "Twilio has been out for ten minutes"
    assert _title(out, "twilio") == f"HIGH email: {out}"
    assert _title(title, None) == f"HIGH email: {title}"
