"""The storage room's runbook against the seed's: its rows, its lines and its words."""

from __future__ import annotations

import pytest

from mentalspace.engine.runbook import AlertState, RoomRunbook, load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Disposition, Severity, classify
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.phi import Phi

BOOK: RoomRunbook = load_runbooks(list(discover_rooms().values()), None).room("storage")


def meaning(evidence: Evidence) -> str:
    return classify(BOOK.cases_for("supabase"), evidence).id


@pytest.mark.parametrize(
    ("http", "case", "cause", "resolution", "severity"),
    [
        (401, "unauthorized", "Invalid session or RLS policy", "check RLS", "critical"),
        (403, "forbidden", "Missing permissions", "Review storage bucket policies", "high"),
        (409, "duplicate", "File already exists", "different filename", "low"),
        (413, "too_large", "File exceeds size limit", "increase limit", "medium"),
        (500, "server_error", "Supabase infrastructure", "Check Supabase status, retry", "high"),
    ],
)
def test_the_seeds_rows_are_cases(
    http: int, case: str, cause: str, resolution: str, severity: str
) -> None:
    """Each row of the seed's table is met by its status, with its words and its severity; a refused
    key is graver here, for it stops a whole practice's copies."""
    assert meaning(Evidence("http", http=http)) == f"storage.{case}"
    found = next(each for each in BOOK.cases if each.id == f"storage.{case}")
    assert found.severity == Severity(severity)
    for words in (cause, resolution):
        assert words in found.body


def test_one_403_is_told_from_the_other() -> None:
    """A token that does not hold is the key's; a policy is a policy's."""
    for words in (
        "Invalid Compact JWS",
        "signature verification failed",
        '"exp" claim timestamp check failed',
    ):
        evidence = Evidence("http", http=403, code="AccessDenied", message=Phi(words))
        assert meaning(evidence) == "storage.unauthorized"
    row = Phi("new row violates row-level security policy")
    refused = Evidence("http", http=403, code="AccessDenied", message=row)
    assert meaning(refused) == "storage.forbidden"


def test_one_404_is_told_from_the_others() -> None:
    assert meaning(Evidence("http", http=404, code="NoSuchKey")) == "storage.copy_missing"
    assert meaning(Evidence("http", http=404, code="NoSuchBucket")) == "storage.bucket_missing"
    assert meaning(Evidence("http", http=404)) == "storage.wrong_address"


def test_what_may_be_there_is_looked_for_first() -> None:
    """5xx, silence and a duplicate reconcile; a 429 and no connection simply go again."""
    unknown = [Evidence("http", http=status) for status in (409, 500, 502, 503, 504, 544)]
    unknown += [Evidence("timeout"), Evidence("reset"), Evidence("malformed", http=200)]
    for evidence in unknown:
        case = classify(BOOK.cases_for("supabase"), evidence)
        assert case.disposition is Disposition.RECONCILE, evidence
    for evidence in (Evidence("http", http=429, code="SlowDown"), Evidence("connect")):
        case = classify(BOOK.cases_for("supabase"), evidence)
        assert case.disposition is Disposition.RETRY, evidence


def test_the_seeds_metrics_and_lines_are_written_down() -> None:
    """Four metrics and three thresholds, each of them measured and live."""
    metrics = {metric.id: metric for metric in BOOK.overview.metrics}
    success = metrics["storage.upload_success_rate"]
    assert (success.op.value, success.target, success.measure is None) == (">", 0.99, False)
    for name in ("upload_time_by_size", "bucket_usage", "bandwidth"):
        assert metrics[f"storage.{name}"].gauge
    lines = {rule.id: (rule.threshold, rule.action, rule.state) for rule in BOOK.overview.alerts}
    assert lines["storage.failure_rate_high"] == (
        0.05,
        "Investigate storage health",
        AlertState.LIVE,
    )
    assert lines["storage.bucket_nearly_full"] == (0.8, "Plan for expansion", AlertState.LIVE)
    assert (lines["storage.bandwidth_spike"][0], lines["storage.bandwidth_spike"][2]) == (
        2,
        AlertState.LIVE,
    )


def test_the_seeds_issues_stand_with_their_words() -> None:
    """Both issues with their symptoms, resolutions, and the query word for word."""
    failing, closed = BOOK.issue("storage.upload_failures"), BOOK.issue("storage.access_issues")
    assert failing is not None
    assert closed is not None
    assert failing.symptoms == ("File upload returns error", "Progress bar stalls at 99%")
    assert "Check file size (<50MB recommended)" in failing.resolution
    assert closed.symptoms[1] == "Signed URLs expiring too quickly"
    assert "Use signed URLs for private buckets" in closed.resolution
    told = "\n".join(check.run for check in closed.diagnosis if check.on_screen)
    assert told.strip() == SEED.strip()


SEED = """
-- Check storage bucket RLS policies
SELECT * FROM storage.buckets WHERE name = 'client-documents';
SELECT * FROM storage.objects WHERE bucket_id = 'client-documents' LIMIT 10;
"""
