"""When a mail is to be sent: an instant, or a few words of English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mentalspace.integrations.email.resend.sandbox.errors import invalid

# source: https://resend.com/docs/dashboard/emails/schedule-email
FURTHEST = timedelta(days=30)

UNITS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400, "week": 604800}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ZONES = {
    "": "UTC", "UTC": "UTC", "GMT": "UTC", "Z": "UTC",
    "ET": "America/New_York", "EST": "America/New_York", "EDT": "America/New_York",
    "CT": "America/Chicago", "CST": "America/Chicago", "CDT": "America/Chicago",
    "MT": "America/Denver", "MST": "America/Denver", "MDT": "America/Denver",
    "PT": "America/Los_Angeles", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
}  # fmt: skip
IN = re.compile(rf"in (\d{{1,5}}|an?|one) ({'|'.join(UNITS)})s?", re.IGNORECASE)
ON = re.compile(
    rf"(today|tomorrow|(?:next )?(?:{'|'.join(DAYS)})) at (\d{{1,2}})(?::(\d\d))? ?(am|pm)?"
    r"(?: ([a-z]{1,3}))?",
    re.IGNORECASE,
)


def instant_of(value: object, now: datetime) -> datetime:
    """When `scheduled_at` says, in UTC.

    Raises a Problem for what cannot be read, is past, or is more than 30 days ahead. That a past
    instant is refused, and not sent at once, is our guess.
    """
    at = _read(value.strip(), now) if isinstance(value, str) else None
    if at is None:
        raise invalid(
            "Invalid `scheduled_at` field. Use an ISO 8601 date or natural language, such as "
            "`in 1 hour`."
        )
    if at <= now:
        raise invalid("Invalid `scheduled_at` field. The date must be in the future.")
    if at - now > FURTHEST:
        raise invalid("Invalid `scheduled_at` field. Emails can be scheduled up to 30 days ahead.")
    return at


def _read(text: str, now: datetime) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    if found := IN.fullmatch(text):
        count = int(found[1]) if found[1].isdigit() else 1
        return now + timedelta(seconds=count * UNITS[found[2].lower()])
    if found := ON.fullmatch(text):
        return _on(found, now)
    return None


def _on(found: re.Match[str], now: datetime) -> datetime | None:
    """`Friday at 3pm ET`: the next such moment in that zone; without a zone, in UTC."""
    zone = ZONES.get((found[5] or "").upper())
    hour, minute, half = int(found[2]), int(found[3] or 0), (found[4] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if zone is None or hour > 23 or minute > 59:
        return None
    local = now.astimezone(ZoneInfo(zone))
    word = found[1].lower().removeprefix("next ")
    if word in DAYS:
        ahead = (DAYS.index(word) - local.weekday()) % 7
        if ahead == 0 and (local.hour, local.minute) >= (hour, minute):
            ahead = 7
    else:
        ahead = 1 if word == "tomorrow" else 0
    day = local.date() + timedelta(days=ahead)
    return datetime.combine(day, time(hour, minute), ZoneInfo(zone)).astimezone(UTC)
