"""What came of it: a table for a person and one line for a machine."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from tests.torture.campaign import Outcome, Plan

_ROWS = (
    ("acknowledged",              "bookings acknowledged"),
    ("deliveries",                "messages in the ledger"),
    ("accepted",                  "messages accepted by the providers"),
    ("lost",                      "LOST"),
    ("texts",                     "of the accepted, texts"),
    ("by_relay",                  "of the accepted, mails by the relay"),
    ("accepted_twice",            "ACCEPTED TWICE, by content"),
    ("accepted_by_two",           "ACCEPTED BY BOTH PROVIDERS"),
    ("accepted_twice_by_key",     "ACCEPTED TWICE, by key"),
    ("batches",                   "requests with several mails"),
    ("batches_unknown",           "of these, without an answer at first"),
    ("repeated_requests_one_key", "requests that repeated a key (harmless)"),
    ("unknown_resolved",          "outcomes once unknown, since resolved"),
    ("unknown_held",              "outcomes still unknown, held for a person"),
    ("unknown_times",             "times that an outcome was unknown"),
    ("unknown_shown",             "of these, shown to a person meanwhile"),
    ("unknown_unseen_longest_s",  "seconds, the longest that no person could see one"),
    ("unknown_unseen",            "UNKNOWN FOR OVER A QUARTER OF AN HOUR, AND NOT SHOWN"),
    ("held",                      "held for a person, in all"),
    ("refused",                   "refused"),
    ("pages_expired",             "pages to staff that expired unsent"),
    ("held_without_reason",       "HELD WITHOUT A REASON"),
    ("sent_unseen",               "SENT, AND NOBODY KNOWS"),
    ("never_sent",                "SAID TO BE SENT, AND NEVER WAS"),
    ("webhooks",                  "webhooks taken in"),
    ("webhooks_missing",          "FINAL EVENT MISSING"),
    ("webhooks_waiting",          "WEBHOOKS NEVER APPLIED"),
    ("webhooks_held",             "WEBHOOKS BEFORE A PERSON"),
    ("attempts_left_open",        "ATTEMPTS NEVER CLOSED"),
    ("log_hits",                  "PRIVATE WORDS IN LOGS"),
)  # fmt: skip


def recovery(outcome: Outcome) -> dict[str, dict[str, float | int]]:
    """Seconds from kill to at work again, by victim; those never recovered are not among them."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for blow in outcome.blows:
        if blow.recovered_s is not None:
            seconds[blow.victim].append(blow.recovered_s)
    return {
        victim: {
            "kills": len(each),
            "median_s": round(statistics.median(each), 2),
            "max_s": round(max(each), 2),
        }
        for victim, each in sorted(seconds.items())
    }


def as_data(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {
        "rounds": plan.rounds,
        "seed": plan.seed,
        "seconds": round(outcome.seconds, 1),
        "bookings_failed": outcome.bookings_failed,
        **outcome.verdict.counts,
        "statuses": dict(outcome.verdict.statuses),
        "recovery": recovery(outcome),
        "violations": list(outcome.violations),
    }


def as_table(plan: Plan, outcome: Outcome) -> str:
    counts = outcome.verdict.counts
    lines = [
        "",
        f"{plan.rounds} rounds, seed {plan.seed}, {outcome.seconds:.0f} s",
        "",
        f"{outcome.bookings_failed:>7}  bookings refused while the database was away",
        *(f"{counts[name]:>7}  {title}" for name, title in _ROWS),
        "",
        f"{'killed':<10}{'times':>7}{'median':>10}{'longest':>10}   until at work again",
    ]
    for victim, seconds in recovery(outcome).items():
        lines.append(
            f"{victim:<10}{seconds['kills']:>7}{seconds['median_s']:>8} s{seconds['max_s']:>8} s"
        )
    verdict = [f"  VIOLATION: {text}" for text in outcome.violations] or ["  all is well"]
    return "\n".join([*lines, "", *verdict, ""])
