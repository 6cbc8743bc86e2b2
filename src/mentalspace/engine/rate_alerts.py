"""What an incident of a share, a cost or a wait says of itself, for pages and for the console."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def rate_text(facts: Mapping[str, Any]) -> str | None:
    """`Bounce rate 37.5% of 8 in the last 24 h, target 2%`, or whatever else a rule saw; None for
    one on failures, which are counted by their people."""
    if "metric" in facts:
        return (
            f"{facts['metric']} {facts['value'] * 100:.3g}% of {facts['n']:,} in the last "
            f"{facts['window_s'] / 3600:g} h, target {facts['target'] * 100:g}%{_when(facts)}"
        )
    if "failed_recipients" in facts:
        return None
    seen = facts.get("seen")
    return f"{seen[:1].upper()}{seen[1:]}" if seen else None


def _when(facts: Mapping[str, Any]) -> str:
    if "late_from" not in facts:
        return ""
    first, last = (
        datetime.fromisoformat(facts[name]).astimezone(UTC) for name in ("late_from", "late_to")
    )
    return f"; the late ones were {facts['late_were']} from {first:%H:%M} to {last:%H:%M} UTC"
