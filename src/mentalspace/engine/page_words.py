"""What a page says: whose it is, since when, how many people, the first step, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.channel import Message
from mentalspace.engine.grouping import so_far
from mentalspace.engine.rate_alerts import rate_text

_WHOSE = {"ours": "Ours", "theirs": "Theirs", "recipient": "The recipient's"}


def message_of(row: Any, site_url: str) -> Message:
    """Of a page's row with its incident's columns."""
    return Message(
        title=_title(row),
        lines=_lines(row),
        link=incident_link(site_url, row["incident_id"]),
        key=f"mentalspace/{row['incident_id']}/{row['rounds']}",
        severity=row["severity"],
        integration=row["integration"],
        since=row["since"],
        is_drill=row["drill"] is not None,
    )


def incident_link(site_url: str, incident_id: UUID) -> str:
    return f"{site_url}/incidents/{incident_id}"


def _lines(row: Any) -> tuple[str, ...]:
    facts = row["facts"]
    touched = so_far(facts)
    if "prometheus_since" in facts and "failed_recipients" not in facts:
        touched = "Prometheus sees it and names no people"
    since = _moment(row["since"])
    how_many = facts.get("count_text") or rate_text(facts) or touched
    return (
        f"{_whose(row['fault'], facts)}; since {since}.",
        f"{how_many}; last good call: {_last_good(facts.get('last_good_at'))}.",
        f"First: {facts.get('first_step', 'open the runbook')}.",
    )


def _last_good(at: str | None) -> str:
    return _moment(datetime.fromisoformat(at)) if at else "none yet"


def _whose(fault: str, facts: Mapping[str, Any]) -> str:
    whose = _WHOSE.get(fault, "Unclear whose")
    if facts.get("refused_together"):
        provider, practices = str(facts["provider"]).capitalize(), facts.get("practices")
        where = f"{practices:,} practices" if practices else "many practices"
        return f"{whose} most likely: {provider} refuses the keys of {where}"
    if entered := facts.get("entered_at"):
        when = _moment(datetime.fromisoformat(entered))
        likely = " most likely" if facts.get("met") else ""
        return f"{whose}{likely}: nothing went well since a new secret was entered {when}"
    if tests := facts.get("test_mode"):
        how = "switched on" if tests["by_hand"] else "on since it was stored"
        when = _moment(datetime.fromisoformat(tests["at"]))
        return f"{whose}: test mode was {how} {when} by {tests['by']}"
    if before := facts.get("before"):
        was = before["case"] or str(before["fault"])
        return f"{whose}, and another cause than before it was closed or over ({was})"
    return whose


def _moment(at: datetime) -> str:
    """The day in words: a date in digits may be anybody's date of birth, and our own mails refuse
    to say one."""
    return f"{at.day} {at:%b}, {at:%H:%M} UTC"


def _title(row: Any) -> str:
    again = f", page {row['step'] + 1}" if row["step"] else ""
    drill = f"DRILL for {row['meant']}: " if row["drill"] else ""
    title, provider = row["title"], row["facts"].get("provider")
    # Two may have the same title within a minute.
    if provider and str(provider).casefold() not in title.casefold():
        title = f"{title} ({provider})"
    return f"{drill}{row['severity'].upper()} {row['integration']}: {title}{again}"
