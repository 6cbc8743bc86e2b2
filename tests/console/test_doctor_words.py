"""What the doctor says of a lock, a breaker, and an average that late callbacks make."""

from __future__ import annotations

from datetime import UTC, datetime

from mentalspace.engine.in_the_way import InTheWay
from mentalspace.engine.pulse import LockWait, Stalled
from mentalspace.engine.rates import Reading, Times
from mentalspace.engine.runbook import Measure, load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.checkup import State, Whose
from mentalspace.workflows.doctor.credentials import finding, health
from mentalspace.workflows.doctor.examine import _of_reading
from mentalspace.workflows.doctor.lives import of_lock, of_loop
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
