"""Ours or theirs: what the same provider said through other credentials, if it was asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mentalspace.console.verdict import not_the_network, our_own_calls, verdict


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


@pytest.mark.parametrize(
    ("kind", "http", "code", "said"),
    [
        ("malformed", 200, None, "Resend answers, but nothing in it can be read: "),
        ("timeout", None, None, "Resend does not answer in time: "),
        ("http", 500, None, "Resend answers, and fails at its own end: "),
        ("connect", None, None, "Resend cannot be reached: "),
        ("connect", None, "bad_address", "Resend cannot be reached: "),
        (
            "connect",
            None,
            "lost_at_mail",
            "Resend is reached, and breaks the connection off at MAIL; nothing had been handed",
        ),
        ("connect", None, "silent_at_connect", "Resend is reached, and falls silent before its"),
        ("connect", None, "garbled_at_ehlo", "Resend is reached, and says what cannot be read at"),
        ("connect", None, "tls_failed", "Resend is reached, and no encryption comes about"),
    ],
)
def test_how_a_provider_fails_is_said_as_it_was_seen(
    kind: str, http: int | None, code: str | None, said: str
) -> None:
    """An answer that cannot be read is an answer: the network has carried it. One that is reached
    and leaves in the middle is not one that is not there."""
    latest = {"evidence_kind": kind, "http": http, "code": code, "good_after_at": None}
    incident = {"fault": "theirs", "integration": "email", "facts": {}}
    found = verdict(incident, {"latest": latest, "elsewhere": None}, "Resend")
    assert found.because.startswith(said)
    assert (not_the_network(latest, "Resend") is not None) == (kind == "malformed")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("refused", "Our own rules refuse it before anything leaves; Resend is not asked"),
        ("undelivered", "Resend takes it, and it does not arrive"),
    ],
)
def test_of_what_no_try_failed_no_answer_speaks(kind: str, said: str) -> None:
    incident = {"fault": "ours", "integration": "email", "facts": {}}
    elsewhere = {"others": 3, "answered": True, "asked": True}
    found = verdict(incident, {"latest": None, "elsewhere": elsewhere}, "Resend", kind=kind)
    assert (found.because, found.elsewhere) == (said, None)


def test_what_was_entered_just_before_is_ours() -> None:
    """Whatever its tries met: it says since when, and what was answered last."""
    latest = {"evidence_kind": "connect", "http": None, "code": None, "good_after_at": None}
    facts = {"entered_at": "2026-03-02T02:10:00+00:00", "met": "theirs"}
    incident = {"fault": "ours", "integration": "sms", "facts": facts}
    found = verdict(incident, {"latest": latest, "elsewhere": None}, "Twilio")
    assert found.whose == "Ours, most likely"
    assert "since its secret and address were entered anew at 02:10:00 UTC" in found.because
    well = {**incident, "last_good_at": datetime(2026, 3, 2, 2, 31, tzinfo=UTC)}
    found = verdict(well, {"latest": latest, "elsewhere": None}, "Twilio")
    assert "Nothing has gone well" not in found.because
    assert "calls have gone well since, the last at 02:31:00 UTC" in found.because


def test_who_switched_test_mode_on_is_the_cause() -> None:
    begun = {"at": "2026-03-02T02:10:00+00:00", "by": "command line", "by_hand": True}
    incident = {"fault": "ours", "integration": "email", "facts": {"test_mode": begun}}
    found = verdict(incident, {"latest": None, "elsewhere": None}, "Resend", kind="refused")
    assert found.because == (
        "Test mode was switched on at 02:10:00 UTC on 2 Mar by command line. Our own rules refuse"
        " it before anything leaves; Resend is not asked"
    )


def test_our_own_calls_speak_while_it_is_theirs_and_lasts() -> None:
    """Beside a status page that says all is well; once it is over they say nothing more."""
    facts = {"tries": {"bad": 5, "good": 3}}
    lasting = {"fault": "theirs", "recovered_at": None, "status": "open"}
    assert our_own_calls(lasting, facts) == (5, 8)
    assert our_own_calls({**lasting, "recovered_at": 1}, facts) is None
    assert our_own_calls({**lasting, "fault": "ours"}, facts) is None
    assert our_own_calls(lasting, {"tries": {"bad": 0, "good": 3}}) is None
