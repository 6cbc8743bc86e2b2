"""What the doctor says of a lock, a breaker, and an average that late callbacks make."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mentalspace.engine.in_the_way import InTheWay
from mentalspace.engine.pulse import LockWait, Stalled
from mentalspace.engine.rates import Reading, Times
from mentalspace.engine.runbook import Measure, load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.checkup import State, Whose
from mentalspace.workflows.doctor.credentials import finding, health
from mentalspace.workflows.doctor.examine import _of_reading
from mentalspace.workflows.doctor.first_step import first_step
from mentalspace.workflows.doctor.lives import of_lock, of_loop
from mentalspace.workflows.doctor.report import AlertLine, RoomFinding, StatusLine
from mentalspace.workflows.doctor.verdict import judge

AT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
ROW = {
    "integration": "email", "provider": "resend", "endpoint": "default", "last_good_at": AT,
    "waiting": 4, "resting": 0, "oldest_s": 12.0, "breaker": "open", "paused": None,
    "went_over": 0, "next": "smtp/default-smtp", "fail_over_after_s": 300.0, "refused": None,
    "held": 0, "unknown": 0,
}  # fmt: skip


def _breaker(breaker: str, state: State, whose: Whose | None = None) -> list[tuple[State, str]]:
    called = finding(ROW, "provider", state, "said", whose)
    found = health({**ROW, "breaker": breaker}, called)
    return [(one.state, one.text) for one in found if one.check == "breaker"]


def test_a_breaker_is_told_beside_what_the_provider_answers_now() -> None:
    assert _breaker("open", "bad", "theirs") == [("bad", "the breaker is open")]
    [(state, text)] = _breaker("half_open", "good")
    assert state == "bad"
    assert text == (
        "the breaker is half open; a harmless question is answered, so that the next probe may"
        " close it"
    )
    [(state, text)] = _breaker("closed", "bad", "theirs")
    assert state == "warning"
    assert text.startswith("closed all the same: it fails in part")
    assert _breaker("closed", "bad", "ours") == []
    assert _breaker("closed", "good") == []


def test_a_lock_comes_before_the_loop_that_waits_for_it() -> None:
    """Whoever restarts the loop first does it in vain."""
    held = LockWait(11, "mentalspace worker", 90.0, "", 4711, "reports", "idle in transaction",
                    120.0, "")  # fmt: skip
    lock = of_lock("email", InTheWay(held, ["mentalspace worker"], 90.0))
    loop = of_loop(
        "email",
        Stalled("w", "worker", "host", 5, "dispatch", AT, AT, 240.0, 1.0, 0, None, None, None, AT),
    )
    verdict = judge([loop, lock])
    assert (verdict.whose, verdict.more) == ("ours", 1)
    assert verdict.text == (
        "lock: pid 4711, reports, idle in transaction for 120 s, holds the lock that mentalspace"
        " worker waits for"
    )
    assert lock.cure and "pg_terminate_backend(4711)" in lock.cure
    assert loop.cure and "mentalspace restart worker" in loop.cure
    outside = "an answer from outside, in outbound._exchange"
    waits = Stalled("w", "worker", "h", 5, "overdue", AT, AT, 90, 1.0, 0, None, None, outside, AT)
    assert "a restart would ask the same" in (of_loop("email", waits).cure or "")


def test_an_average_beyond_its_target_says_that_late_callbacks_make_it() -> None:
    """Only where most were in time: else it is the messages that are late."""
    overview = load_runbooks(list(discover_rooms().values()), None).room("sms").overview
    metric = next(one for one in overview.metrics if one.measure is Measure.DELIVERY_TIME)

    def said(p50: float, average: float) -> str:
        times = Times(40, average, p50, 500.0, 30)
        return _of_reading("sms", Reading(metric, 86_400.0, 30, 40, average, times)).text

    late = metric.target * 20
    assert said(3.4, late).endswith("half were heard of within 3 s: late callbacks make the rest")
    assert "late callbacks" not in said(metric.target + 1, late)
    assert "late callbacks" not in said(0.5, metric.target / 2)


_BOOKS = load_runbooks(list(discover_rooms().values()), None)
_WAY_OUT = RoomFinding("sms", "host", "way out", "bad", "nothing answers", "ours", "Look at DNS")
_KEY = RoomFinding("sms", "twilio/mesa", "provider", "bad", "Twilio answered 401", "ours")
_DOWN = RoomFinding("sms", "twilio/mesa", "provider", "bad", "Twilio answered 503", "theirs")
_WAY_IN = RoomFinding(
    "sms",
    "twilio/mesa",
    "callbacks",
    "warning",
    "ours: our own door is not reached",
    "ours",
    "Look at what stands before our own door",
)
_THERE = RoomFinding("sms", "twilio/lake", "breaker", "bad", "the breaker is open", "theirs")


@pytest.mark.parametrize(
    ("rule", "told", "findings", "first"),
    [
        # Whose it is decides: the rule's own step is meant for theirs.
        ("sms.consecutive_failures", None, [_DOWN], "Check Twilio status"),
        ("sms.consecutive_failures", None, [], "Check Twilio status"),
        ("sms.consecutive_failures", "Check Twilio status", [_WAY_OUT, _DOWN], "Look at DNS"),
        ("sms.breaker_stays_open", None, [_WAY_OUT], "Look at DNS"),
        (
            "sms.consecutive_failures",
            None,
            [_KEY],
            "See to what is ours, above: provider: Twilio answered 401",
        ),
        # Both sides have something: a rule follows the credential that it fires at.
        (
            "sms.consecutive_failures",
            None,
            [_KEY, _THERE],
            "See to what is ours, above: provider: Twilio answered 401",
        ),
        # Of callbacks their own finding says what to do, also where it is no failure.
        ("sms.callbacks_stop", "Wait", [_WAY_IN], "Look at what stands before our own door"),
        ("sms.callbacks_stop", "Wait", [_DOWN], "Wait"),
        # What the incident says of its case, and what a rule says of ours, is to the point.
        ("sms.consecutive_failures", "The token; do as it says", [_WAY_OUT], "The token; do"),
        ("sms.queue_stands", None, [_WAY_OUT], "See whether workers live and lanes move"),
    ],
)
def test_the_first_step_of_a_rule_follows_the_verdict(
    rule: str, told: str | None, findings: list[RoomFinding], first: str
) -> None:
    line = AlertLine(_BOOKS.alert(rule), "alerting", AT, "twilio/mesa", told)
    assert first_step(_BOOKS.room("sms"), line, judge(findings), findings).startswith(first)


@pytest.mark.parametrize(
    ("told", "findings", "first"),
    [
        (None, [], "See whether SMTP relay answers"),
        # The rule's own step, as the incident has it, or had it in the words of Resend.
        ("See whether SMTP relay answers", [], "See whether SMTP relay answers"),
        ("Check Resend status", [], "See whether SMTP relay answers"),
        ("See whether SMTP relay answers", [_WAY_OUT], "Look at DNS"),
        ("The password; do as it says", [_WAY_OUT], "The password; do as it says"),
    ],
)
def test_the_first_step_of_a_rule_at_the_relay_is_of_the_relay(
    told: str | None, findings: list[RoomFinding], first: str
) -> None:
    rule = _BOOKS.alert("email.consecutive_failures")
    line = AlertLine(rule, "alerting", AT, "smtp/default-smtp", told)
    assert first_step(_BOOKS.room("email"), line, judge(findings), findings) == first


def test_a_status_page_is_remarked_upon_only_where_it_lags() -> None:
    page = StatusLine("Twilio", "http://x", "none", "All Systems Operational", None)
    assert page.remark == ""
    assert replace(page, lags=True).remark.startswith("Such a page often lags behind: our own")
