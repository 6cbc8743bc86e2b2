"""How many requests a second and mails a day a team may send, and the headers that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.rate import Allowance
from mentalspace.integrations.email.resend.sandbox.errors import Problem
from mentalspace.integrations.email.resend.sandbox.mail import recipients_of
from mentalspace.integrations.email.resend.sandbox.used import Used
from mentalspace.integrations.email.resend.sandbox.visit import Visit
from mentalspace.integrations.email.resend.sandbox.words import (
    PROVIDER,
    ROOM,
    Json,
    option,
)


# source: https://resend.com/docs/knowledge-base/account-quotas-and-limits
def check_quota(visit: Visit, emails: Sequence[Json]) -> None:
    """Raise the Problem of mails that are more than the team may still send. Every recipient
    counts; the limits are off without `quota_daily` and `quota_monthly`."""
    more = sum(len(recipients_of(email)) for email in emails)
    daily, monthly = visit.option("quota_daily"), visit.option("quota_monthly")
    if daily and visit.used.on_day(visit.team, visit.now) + more > daily:
        raise Problem(429, "daily_quota_exceeded")
    if monthly and visit.used.in_month(visit.team, visit.now) + more > monthly:
        raise Problem(429, "monthly_quota_exceeded")


def rate_of(kit: Kit, account: Account | None) -> int:
    """Requests a second; nobody's calls are told the provider's usual number."""
    if account is not None and account.rate_per_s is not None:
        return account.rate_per_s
    return int(kit.options.value(ROOM, PROVIDER, "rate_per_s"))


# source: https://resend.com/docs/api-reference/rate-limit; the policy header is in recordings
def rate_headers(allowance: Allowance) -> dict[str, str]:
    return {
        "ratelimit-limit": str(allowance.limit),
        "ratelimit-remaining": str(allowance.remaining),
        "ratelimit-reset": str(allowance.reset_s),
        "ratelimit-policy": f"{allowance.limit};w=1",
    }


# source: https://resend.com/docs/api-reference/rate-limit
def quota_headers(kit: Kit, team: Account, used: Used) -> Mapping[str, str]:
    """What is used up; the daily one is sent only where there is a daily limit."""
    now = kit.clock.now()
    headers = {"x-resend-monthly-quota": str(used.in_month(team, now))}
    if option(kit, team, "quota_daily"):
        headers["x-resend-daily-quota"] = str(used.on_day(team, now))
    return headers
