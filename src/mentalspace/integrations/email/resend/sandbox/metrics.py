"""How many mails met what, over a range of days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from mentalspace.emulator.outbox import Step
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.errors import invalid
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit
from mentalspace.integrations.email.resend.sandbox.words import Json, stamp

# source: https://resend.com/docs/api-reference/emails/get-metrics; those after the blank line
# never happen here.
COUNTED = (
    "sent", "delivered", "delivery_delayed", "bounced", "bounced_permanent", "bounced_transient",
    "bounced_undetermined", "complained", "suppressed", "failed", "opened", "unique_opened",
    "clicked", "unique_clicked",

    "received", "unsubscribed",
)  # fmt: skip
# Each with what it is a part of; as a part of one, which is our guess.
RATES = {
    "delivery_rate":    ("delivered", "sent"),
    "bounce_rate":      ("bounced", "sent"),
    "complaint_rate":   ("complained", "delivered"),
    "open_rate":        ("unique_opened", "delivered"),
    "click_rate":       ("unique_clicked", "delivered"),
    "unsubscribe_rate": ("unsubscribed", "delivered"),
}  # fmt: skip
GRANULARITIES = ("hourly", "daily", "weekly", "monthly")


def _metrics(visit: Visit) -> Reply:
    """Totals of the whole range, and by period; the other dimensions are not played."""
    end = _moment(visit, "end_date", visit.now, at_end=True)
    start = _moment(visit, "start_date", end - timedelta(days=6), at_end=False)
    names = _words(visit, "metrics") or [*COUNTED, *RATES]
    dimensions = _words(visit, "dimensions")
    granularity = visit.query("granularity") or "daily"
    if start > end or set(names) - {*COUNTED, *RATES}:
        raise invalid("The date range is empty, or one of the `metrics` is unknown.")
    if set(dimensions) - {"period"} or granularity not in GRANULARITIES:
        raise invalid("One of the `dimensions`, or the `granularity`, is unknown.")
    within = [
        (at, step)
        for item in visit.kit.outbox.items(account=visit.team.id)
        for step in item.so_far(visit.now)
        if start <= (at := datetime.fromisoformat(step.at)) <= end
    ]
    answer: Json = {
        "object": "metrics",
        "start_date": stamp(start),
        "end_date": stamp(end),
        "metrics": names,
        "dimensions": dimensions,
        "granularity": granularity,
        "totals": _measured(names, [step for _at, step in within]),
    }
    if dimensions:
        periods: dict[str, list[Step]] = {}
        for at, step in sorted(within, key=lambda pair: pair[0]):
            periods.setdefault(_period(at, granularity), []).append(step)
        answer["data"] = [
            {"period": period, **_measured(names, steps)} for period, steps in periods.items()
        ]
    return json_reply(200, answer)


def _measured(names: Iterable[str], steps: Sequence[Step]) -> Json:
    count = Counter(step.kind.removeprefix("email.") for step in steps)
    for step in steps:
        if kind := step.details.get("bounce", {}).get("type"):
            count[f"bounced_{kind.lower()}"] += 1
    for name in ("opened", "clicked"):  # at most once a mail, here
        count[f"unique_{name}"] = count[name]
    rates = {
        name: count[part] / count[whole] if count[whole] else 0
        for name, (part, whole) in RATES.items()
    }
    return {name: rates.get(name, count[name]) for name in names}


def _period(at: datetime, granularity: str) -> str:
    match granularity:
        case "hourly":
            return at.strftime("%Y-%m-%dT%H:00:00Z")
        case "weekly":
            return (at.date() - timedelta(days=at.weekday())).isoformat()
        case "monthly":
            return at.strftime("%Y-%m-01")
    return at.date().isoformat()


def _moment(visit: Visit, name: str, usual: datetime, *, at_end: bool) -> datetime:
    given = visit.query(name)
    if given is None:
        return usual
    try:
        if len(given) == len("2026-01-01"):
            whole = date.fromisoformat(given)
            return datetime.combine(whole, time.max if at_end else time.min, UTC)
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise invalid(f"The `{name}` parameter must be an ISO 8601 date or datetime.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _words(visit: Visit, name: str) -> list[str]:
    return [word for word in (visit.query(name) or "").split(",") if word]


ROUTES: tuple[tuple[str, str, Handler], ...] = (("GET", "/emails/metrics", _metrics),)
