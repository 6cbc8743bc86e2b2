"""What a team has used of its allowances, and which requests it made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mentalspace.emulator.recorder import Entry
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.domains import all_domains
from mentalspace.integrations.email.resend.sandbox.errors import not_found
from mentalspace.integrations.email.resend.sandbox.limits import rate_of
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page
from mentalspace.integrations.email.resend.sandbox.words import Json, lasting_id, row_stamp, stamp

LOGS_SHOWN = 1000


# source: resend-python 2.52, Usage
def _usage(visit: Visit) -> Reply:
    now = visit.now
    tomorrow = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    year, month = divmod(now.year * 12 + now.month, 12)
    next_month = datetime(year, month + 1, 1, tzinfo=UTC)
    domains = all_domains(visit.kit, visit.team)
    none = {"used": 0, "limit": None}
    usage = {
        "object": "usage",
        "emails": {
            "daily": _used(
                visit.used.on_day(visit.team, now), visit.option("quota_daily"), tomorrow
            ),
            "monthly": _used(
                visit.used.in_month(visit.team, now), visit.option("quota_monthly"), next_month
            ),
        },
        "contacts": none,
        "segments": none,
        "broadcasts": none,
        "ai_credits": {**none, "next_increase_at": None},
        "automation_runs": {**none, "resets_at": stamp(next_month)},
        "domains": {"used": len(domains), "limit": None},
        "rate_limit": {"limit": rate_of(visit.kit, visit.team), "duration": "1000ms"},
    }
    return json_reply(200, usage)


# source: https://resend.com/docs/api-reference/logs/list-logs
def _logs(visit: Visit) -> Reply:
    return json_reply(200, page(visit, [_log(entry) for entry in _entries(visit)], 20))


def _get_log(visit: Visit) -> Reply:
    """Bodies are not kept here."""
    for entry in _entries(visit):
        if _log_id(entry) == visit.args["log_id"]:
            bodies = {"request_body": None, "response_body": None}
            return json_reply(200, {"object": "log", **_log(entry), **bodies})
    raise not_found("Log")


def _entries(visit: Visit) -> list[Entry]:
    return visit.kit.recorder.newest(LOGS_SHOWN, account=visit.team.id)


def _log(entry: Entry) -> Json:
    return {
        "id": _log_id(entry),
        "created_at": row_stamp(entry.at),
        "endpoint": entry.path,
        "method": entry.method,
        "response_status": entry.http,
        "user_agent": None,
    }


def _log_id(entry: Entry) -> str:
    return lasting_id(f"log {entry.number}")


def _used(used: int, limit: int, resets_at: datetime) -> Json:
    return {
        "used": used,
        "limit": limit or None,
        "sent": used,
        "received": 0,
        "resets_at": stamp(resets_at),
    }


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/usage", _usage),
    ("GET", "/logs", _logs),
    ("GET", "/logs/{log_id}", _get_log),
)
