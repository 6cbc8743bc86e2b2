"""The SMS room's runbook against the seed's: its rows, its lines, its simulations, its words."""

from __future__ import annotations

import pytest

from mentalspace.engine.runbook import CheckKind, RoomRunbook, load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Disposition, Severity, classify
from mentalspace.kernel.errors import Evidence

BOOK: RoomRunbook = load_runbooks(list(discover_rooms().values()), None).room("sms")


def meaning(evidence: Evidence) -> str:
    return classify(BOOK.cases_for("twilio"), evidence).id


@pytest.mark.parametrize(
    ("code", "case", "cause", "resolution", "severity"),
    [
        ("20003", "unauthorized", "Invalid credentials", "Verify TWILIO_AUTH_TOKEN", "critical"),
        ("21211", "invalid_number", "Bad format", "Validate phone format", "medium"),
        ("21408", "region_disabled", "not verified", "Verify number in Twilio console", "high"),
        ("21610", "unsubscribed", "User opted out", "log for compliance", "medium"),
        ("30003", "handset_unreachable", "Invalid carrier", "Check phone number", "medium"),
        ("30005", "unknown_destination", "Number doesn't exist", "phone DB", "low"),
        ("30006", "landline", "Can't receive SMS", "Ask user for mobile number", "low"),
    ],
)
def test_the_seeds_rows_are_cases(
    code: str, case: str, cause: str, resolution: str, severity: str
) -> None:
    """Each row of the seed's table is met by its code, with its words and its severity."""
    later = code.startswith("30")
    kind = Evidence("event", code=code) if later else Evidence("http", http=400, code=code)
    assert meaning(kind) == f"sms.{case}"
    found = next(each for each in BOOK.cases if each.id == f"sms.{case}")
    assert found.severity == Severity(severity)
    for words in (cause, resolution):
        assert words in found.body


def test_what_may_have_been_sent_is_asked_for_first() -> None:
    """Twilio knows no key of ours: 5xx and silence reconcile, a 429 and no connection do not."""
    unknown = [Evidence("http", http=status) for status in (500, 502, 503, 504)]
    unknown += [Evidence("timeout"), Evidence("reset"), Evidence("malformed", http=201)]
    for evidence in unknown:
        case = classify(BOOK.cases_for("twilio"), evidence)
        assert case.disposition is Disposition.RECONCILE, evidence
    for evidence in (Evidence("http", http=429, code="20429"), Evidence("connect")):
        case = classify(BOOK.cases_for("twilio"), evidence)
        assert case.disposition is Disposition.RETRY, evidence


def test_codes_that_share_a_status_are_told_apart() -> None:
    """A country switched off is no unverified number; a day's limit is no passing one."""
    assert meaning(Evidence("http", http=400, code="21608")) == "sms.trial_unverified"
    assert meaning(Evidence("http", http=429, code="63038")) == "sms.account_daily_limit"
    assert meaning(Evidence("http", http=429, code="21611")) == "sms.queue_full"
    assert meaning(Evidence("http", http=400, code="99999")) == "sms.unmatched"


def test_the_seeds_lines_and_targets() -> None:
    """The four metrics and three thresholds of the seed are those written down, and each counts."""
    targets = {m.id: (m.op.value, m.target) for m in BOOK.overview.metrics}
    assert targets["sms.delivery_rate"] == (">", 0.95)
    assert targets["sms.delivery_time"] == ("<", 10)
    assert targets["sms.opt_out_rate"] == ("<", 0.01)
    assert "sms.failure_rate" in targets
    assert all(metric.measure for metric in BOOK.overview.metrics)
    lines = {rule.id: (rule.threshold, rule.action) for rule in BOOK.overview.alerts}
    assert lines["sms.delivery_rate_low"] == (0.9, "Investigate carrier issues")
    assert lines["sms.consecutive_failures"] == (10, "Check Twilio status")
    assert lines["sms.opt_out_rate_high"] == (0.05, "Review message content")


def test_the_seeds_simulations_are_shown_twice() -> None:
    """A bad number and one that opted out: kept away here, and handled when Twilio says so."""
    for name in ("invalid_number", "opted_out"):
        local, out = (
            BOOK.drill(f"{name}_refused_locally").expect,
            BOOK.drill(f"{name}_at_provider").expect,
        )
        assert (local.refused_locally, local.requests_max, local.accepted) == (1, 0, 0)
        assert (out.refused_locally, out.requests_min, out.accepted) == (0, 1, 0)
    assert BOOK.drill("invalid_number_at_provider").act[0].params == {"to": "+1234", "guard": False}
    assert BOOK.drill("carrier_filtering").act[0].params["says"] == "Click here now!"
    paged = BOOK.drill("invalid_token").expect.alert
    [rule] = [rule for rule in BOOK.overview.alerts if rule.id in paged]
    assert rule.severity is Severity.CRITICAL


def test_the_seeds_issues_stand_with_their_words() -> None:
    """Both issues, their symptoms, resolutions and preventions, and the query word for word."""
    missing, late = BOOK.issue("sms.sms_not_delivered"), BOOK.issue("sms.high_latency")
    assert missing is not None
    assert late is not None
    assert missing.symptoms == (
        'Message status "undelivered" or "failed"',
        "No error in application logs",
    )
    assert "Verify number is mobile (not landline)" in missing.resolution
    assert "Maintain opt-out list" in missing.prevention
    first = missing.diagnosis[0]
    assert (first.kind, first.on_screen) == (CheckKind.SQL, True)
    assert first.run.strip() == SEED.strip()
    assert "SMS taking >30 seconds to deliver" in late.symptoms
    assert "Use short codes for high-volume (if applicable)" in late.resolution


SEED = """
-- Check Twilio logs (via Twilio Console)
-- Or query local logs if storing delivery status
SELECT * FROM notification_logs
WHERE notification_type = 'sms'
AND status IN ('failed', 'undelivered')
AND created_at > NOW() - INTERVAL '7 days';
"""
