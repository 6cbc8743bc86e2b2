"""The email room's runbook against the seed's: its rows, its lines, its drills, its words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mentalspace.engine.runbook import CheckKind, RoomRunbook, Runbooks, load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Fault, Severity, classify
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.integration import StatusPage
from mentalspace.kernel.phi import Phi

BOOKS: Runbooks = load_runbooks(list(discover_rooms().values()), None)
BOOK: RoomRunbook = BOOKS.room("email")


@pytest.mark.parametrize(
    ("evidence", "case", "disposition", "fault"),
    [
        (Evidence("http", 401, "missing_api_key"), "unauthorized", "wait", "ours"),
        (Evidence("http", 401, "restricted_api_key"), "unauthorized", "wait", "ours"),
        (Evidence("http", 403, "invalid_api_key"), "unauthorized", "wait", "ours"),
        (Evidence("http", 403, "validation_error"), "unauthorized", "wait", "ours"),
        (
            Evidence("http", 400, "validation_error", Phi("API key is invalid")),
            "unauthorized",
            "wait",
            "ours",
        ),
        (
            Evidence("http", 422, "validation_error", Phi("Invalid `to` field. The email …")),
            "invalid_recipient",
            "refuse",
            "recipient",
        ),
        (
            Evidence("http", 400, "validation_error", Phi("Invalid `to` field.")),
            "invalid_recipient",
            "refuse",
            "recipient",
        ),
        (
            Evidence("refused_locally", code="invalid_recipient"),
            "invalid_recipient",
            "refuse",
            "recipient",
        ),
        (Evidence("http", 422, "validation_error"), "validation_error", "refuse", "ours"),
        (
            Evidence("http", 422, "missing_required_field", Phi("Missing `to` field.")),
            "validation_error",
            "refuse",
            "ours",
        ),
        (Evidence("http", 422, "invalid_parameter"), "validation_error", "refuse", "ours"),
        (Evidence("http", 422), "validation_error", "refuse", "ours"),
        (Evidence("http", 400, "validation_error"), "validation_error", "refuse", "ours"),
        (
            Evidence("refused_locally", code="idempotency_window_passed"),
            "unmatched",
            "human",
            "ours",
        ),
        (Evidence("refused_locally", code="not_live"), "unmatched", "human", "ours"),
        (Evidence("http", 429, "rate_limit_exceeded"), "rate_limited", "retry", "ours"),
        (Evidence("http", 429, "daily_quota_exceeded"), "daily_quota", "wait", "ours"),
        (Evidence("http", 429, "monthly_quota_exceeded"), "monthly_quota", "wait", "ours"),
        (Evidence("http", 401, "missing_api_key"), "unauthorized", "wait", "ours"),
        (Evidence("http", 403, "suspended_api_key"), "unauthorized", "wait", "ours"),
        (Evidence("http", 403, "invalid_permission"), "unauthorized", "wait", "ours"),
        (
            Evidence("http", 400, "validation_error", Phi("API key is invalid")),
            "unauthorized",
            "wait",
            "ours",
        ),
        (
            Evidence("http", 403, "validation_error", Phi("The x.org domain is not verified.")),
            "domain_not_verified",
            "wait",
            "ours",
        ),
        (
            Evidence("http", 403, "validation_error", Phi("You can only send testing emails to")),
            "domain_not_verified",
            "wait",
            "ours",
        ),
        (Evidence("http", 403, "edge_1010"), "no_user_agent", "wait", "ours"),
        (Evidence("http", 404, "not_found"), "wrong_address", "wait", "ours"),
        (Evidence("http", 405, "method_not_allowed"), "wrong_address", "wait", "ours"),
        (Evidence("http", 409, "resource_locked"), "resource_locked", "retry", "theirs"),
        (Evidence("http", 422, "missing_required_parameter"), "validation_error", "refuse", "ours"),
        (Evidence("http", 422, "invalid_attachment"), "validation_error", "refuse", "ours"),
        (Evidence("event", code="bounced"), "bounced", "refuse", "recipient"),
        (Evidence("event", code="bounced_for_now"), "bounced_for_now", "refuse", "recipient"),
        (Evidence("event", code="complained"), "complained", "refuse", "recipient"),
        (Evidence("event", code="suppressed"), "suppressed_by_provider", "refuse", "recipient"),
        (Evidence("event", code="failed"), "failed_later", "refuse", "theirs"),
        (Evidence("event", code="delayed"), "delayed", "refuse", "recipient"),
        (Evidence("refused_locally", code="suppressed"), "suppressed", "refuse", "recipient"),
        (Evidence("http", 500, "application_error"), "server_error", "reconcile", "theirs"),
        (Evidence("http", 500), "server_error", "reconcile", "theirs"),
        (Evidence("http", 503, "service_unavailable"), "unavailable", "retry", "theirs"),
        (Evidence("http", 502), "no_answer", "reconcile", "theirs"),
        (Evidence("http", 504), "no_answer", "reconcile", "theirs"),
        (
            Evidence("http", 409, "concurrent_idempotent_requests"),
            "no_answer",
            "reconcile",
            "theirs",
        ),
        (Evidence("timeout"), "no_answer", "reconcile", "theirs"),
        (Evidence("reset"), "no_answer", "reconcile", "theirs"),
        (Evidence("malformed", 200), "no_answer", "reconcile", "theirs"),
        (Evidence("connect"), "unreachable", "retry", "theirs"),
        (Evidence("http", 418, "teapot"), "unmatched", "human", "ours"),
        (
            Evidence("http", 409, "invalid_idempotent_request"),
            "idempotency_conflict",
            "human",
            "ours",
        ),
        (Evidence("http", 400, "invalid_idempotency_key"), "idempotency_conflict", "human", "ours"),
    ],
)
def test_resend_answers_mean(evidence: Evidence, case: str, disposition: str, fault: str) -> None:
    """Each way Resend can fail is met by the case, disposition and fault it should be."""
    found = classify(BOOK.cases_for("resend"), evidence)
    assert (found.id, found.disposition, found.fault) == (f"email.{case}", disposition, fault)


@pytest.mark.parametrize(
    ("case", "description", "cause", "resolution", "severity"),
    [
        ("unauthorized", "Unauthorized", "Invalid API key", "Verify RESEND_API_KEY", "critical"),
        (
            "validation_error",
            "Validation Error",
            "Invalid email format",
            "Check recipient email syntax",
            "medium",
        ),
        (
            "rate_limited",
            "Rate Limit Exceeded",
            "Too many requests",
            "Implement exponential backoff",
            "high",
        ),
        (
            "server_error",
            "Server Error",
            "Resend service issue",
            "Check Resend status page, retry",
            "high",
        ),
        (
            "unavailable",
            "Service Unavailable",
            "Temporary outage",
            "Queue for retry, check status",
            "high",
        ),
    ],
)
def test_the_seeds_error_rows_are_cases(
    case: str, description: str, cause: str, resolution: str, severity: str
) -> None:
    """Each row of the seed's table stands in a case: its words in the prose, its severity."""
    found = BOOKS.case(f"email.{case}")
    for words in (description, cause, resolution):
        assert words in found.body
    assert found.severity == Severity(severity)


def test_what_our_guard_prevents_is_drilled_twice() -> None:
    """A bad recipient and a flood are each shown kept away here, and handled when they get out."""
    local, out = (
        BOOK.drill("invalid_recipient_refused_locally").expect,
        BOOK.drill("invalid_recipient_at_provider"),
    )
    assert (local.refused_locally, local.requests_max) == (1, 0)
    assert out.act[0].params["guard"] is False
    assert out.expect.requests_min == 1
    kept = BOOK.drill("rate_limit_kept_by_our_limiter")
    assert kept.act[0].params["count"] == 100
    assert kept.expect.never == ("email.rate_limited",)
    assert BOOK.drill("email/rate_limit_met_at_provider").expect.case == "email.rate_limited"
    shown = [item for drill in BOOK.drills for item in drill.seed]
    assert {"EM-46", "EM-47", "EM-48", "EM-49"} <= set(shown)


def test_the_seeds_metrics_and_alert_lines() -> None:
    """The four targets and three thresholds of the seed are those written down."""
    targets = {m.id: (m.op.value, m.target) for m in BOOK.overview.metrics}
    assert (
        targets
        | {
            "email.delivery_rate": (">", 0.98),
            "email.send_time": ("<", 5),
            "email.bounce_rate": ("<", 0.02),
            "email.complaint_rate": ("<", 0.001),
        }
        == targets
    )
    assert all(metric.measure for metric in BOOK.overview.metrics), "each is counted"
    lines = {r.id: (r.kind, r.threshold, r.action) for r in BOOK.overview.alerts}
    assert lines["email.consecutive_failures"] == ("consecutive", 5, "Check Resend status")
    assert lines["email.delivery_rate_low"] == ("rate", 0.95, "Page on-call")
    assert lines["email.bounce_rate_high"] == ("rate", 0.05, "Investigate domain reputation")


def test_a_rules_step_names_the_provider_it_fires_at() -> None:
    """At the relay none says Resend; at Resend, and of no provider in particular, each stands as
    it is written."""
    by_id = {rule.id: rule for rule in BOOK.overview.alerts}

    def at_relay(name: str) -> str:
        return BOOK.step(by_id[f"email.{name}"], "smtp")

    assert at_relay("consecutive_failures") == "See whether SMTP relay answers"
    assert at_relay("sends_are_slow").endswith("relay answers, then our own limiter and lanes")
    assert at_relay("breaker_stays_open").startswith("See whether SMTP relay answers; what waits")
    assert at_relay("bounce_rate_high") == "Investigate domain reputation"
    assert not [rule.id for rule in by_id.values() if "Resend" in BOOK.step(rule, "smtp")]
    for provider in ("resend", None):
        assert all(BOOK.step(rule, provider) == rule.action for rule in by_id.values())


def test_a_provider_with_a_status_page_is_looked_up_there() -> None:
    relay = next(one for one in BOOK.providers if one.name == "smtp")
    read = replace(relay, status_page=StatusPage("https://relay.example", "RELAY_STATUS_URL"))
    rule = next(rule for rule in BOOK.overview.alerts if rule.id == "email.budget_burns")
    assert replace(BOOK, providers=(read,)).step(rule, "smtp") == "Check SMTP relay status"


def test_the_seeds_diagnosis_stands_verbatim() -> None:
    """The seed's query is there to be run, character for character."""
    seed = (
        "SELECT * FROM appointment_notifications\nWHERE status = 'sent'\n"
        "AND sent_at > NOW() - INTERVAL '24 hours'\nORDER BY sent_at DESC\nLIMIT 50;"
    )
    assert any(seed in query.run for query in BOOK.queries)
    assert all(query.kind is CheckKind.SQL for query in BOOK.queries)


def test_a_recipients_fault_is_never_counted_as_ours() -> None:
    """Only the cases about an address, or about what its owner did, blame the recipient."""
    blamed = {
        case.id.partition(".")[2]
        for case in BOOK.cases_for("resend")
        if case.fault is Fault.RECIPIENT
    }
    assert blamed == {
        "bounced", "bounced_for_now", "complained", "delayed", "invalid_recipient", "suppressed",
        "suppressed_by_provider",
    }  # fmt: skip
