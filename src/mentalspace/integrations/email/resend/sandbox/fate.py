"""What becomes of a mail: by its address, by what happened before, or by seeded chance."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Step
from mentalspace.integrations.email.resend.sandbox.mail import bare
from mentalspace.integrations.email.resend.sandbox.words import (
    option,
)

Json = dict[str, Any]

# The names that `fates` and the shares below speak of. Times between the steps are ours.
# source: https://resend.com/docs/webhooks/event-types
FATES: Mapping[str, tuple[str, ...]] = {
    "delivered":            ("email.sent", "email.delivered"),
    "bounced":              ("email.sent", "email.bounced"),
    "bounced_transient":    ("email.sent", "email.delivery_delayed", "email.bounced"),
    "bounced_undetermined": ("email.sent", "email.bounced"),
    "delayed":              ("email.sent", "email.delivery_delayed", "email.delivered"),
    "complained":           ("email.sent", "email.delivered", "email.complained"),
    "suppressed":           ("email.suppressed",),
    "failed":               ("email.failed",),
    "opened":               ("email.sent", "email.delivered", "email.opened"),
    "clicked":              ("email.sent", "email.delivered", "email.opened", "email.clicked"),
}  # fmt: skip

# source: https://resend.com/docs/dashboard/emails/send-test-emails; only these, and all but the
# last with a +label
TEST_ADDRESSES = ("delivered", "bounced", "complained", "suppressed")
TEST_DOMAIN = "resend.dev"

# source: resend-openapi, schema WebhookEventBounce; the prose is ours
BOUNCES: Mapping[str, Json] = {
    "bounced": {
        "type": "Permanent",
        "subType": "General",
        "message": "The recipient's email provider sent a hard bounce message.",
        "diagnosticCode": ["smtp; 550 5.1.1 user unknown"],
    },
    "bounced_transient": {
        "type": "Transient",
        "subType": "MailboxFull",
        "message": "The recipient's inbox was full.",
        "diagnosticCode": ["smtp; 452 4.2.2 mailbox full"],
    },
    "bounced_undetermined": {
        "type": "Undetermined",
        "subType": "Undetermined",
        "message": "The recipient's email provider sent a bounce message without a reason.",
        "diagnosticCode": [],
    },
}
SUPPRESSED: Json = {
    "type": "OnAccountSuppressionList",
    "reason": "previous_bounce",
    "message": "Resend has suppressed sending to this address because it is on the account-level "
    "suppression list. This does not count toward your bounce rate metric",
    "diagnosticCode": [],
}

# Which share of ordinary addresses meets what; one address always meets the same.
SHARES = (
    ("bounce_share", "bounced"),
    ("transient_share", "bounced_transient"),
    ("delay_share", "delayed"),
    ("complaint_share", "complained"),
    ("fail_share", "failed"),
)


def fate_of(kit: Kit, team: Account, recipient: str, *, is_suppressed: bool = False) -> str:
    """One of FATES. Whether the address is on the team's list plays no part for a test address."""
    address = bare(recipient).lower()
    local, _, domain = address.partition("@")
    if domain == TEST_DOMAIN:
        name, plus, _label = local.partition("+")
        known = name in TEST_ADDRESSES and not (name == "suppressed" and plus)
        return name if known else "delivered"
    if is_suppressed:
        return "suppressed"
    for pattern, fate in option(kit, team, "fates").items():
        if fnmatch.fnmatch(local, pattern) and fate in FATES:
            return str(fate)
    chance = _chance(kit, "fate", address)
    for name, fate in SHARES:
        share = float(option(kit, team, name))
        if chance < share:
            return fate
        chance -= share
    return "delivered"


def read_by(kit: Kit, team: Account, recipient: str, *, opens: bool, clicks: bool) -> str:
    """What a delivered mail becomes where its domain tracks opens or clicks."""
    chance = _chance(kit, "read", bare(recipient).lower())
    if clicks and chance < float(option(kit, team, "click_share")):
        return "clicked"
    if opens and chance < float(option(kit, team, "open_share")):
        return "opened"
    return "delivered"


def steps_of(
    kit: Kit, team: Account, fate: str, at: datetime, suppression: str | None = None
) -> tuple[Step, ...]:
    """The steps of a fate for a mail that is sent at `at`; `suppression` is why, if it is one."""
    lag_s = kit.random.uniform(option(kit, team, "lag_min_s"), option(kit, team, "lag_max_s"))
    kinds = FATES[fate]
    steps = []
    moment = at
    for kind in kinds:
        moment += timedelta(seconds=lag_s / len(kinds))
        steps.append(Step(kind, moment.isoformat(), _details(kind, fate, moment, suppression)))
        if kind == "email.delivery_delayed":
            moment += timedelta(seconds=option(kit, team, "delay_s"))
    return tuple(steps)


def _details(kind: str, fate: str, at: datetime, suppression: str | None) -> Json:
    match kind:
        case "email.bounced":
            return {"bounce": BOUNCES[fate]}
        case "email.suppressed":
            reason = "previous_complaint" if suppression == "complaint" else "previous_bounce"
            return {"suppressed": {**SUPPRESSED, "reason": reason}}
        case "email.failed":
            return {"failed": {"reason": "reached_daily_quota"}}
        case "email.clicked":
            return {
                "click": {
                    "ipAddress": "127.0.0.1",
                    "link": "https://resend.com",
                    "timestamp": at.isoformat(timespec="milliseconds"),
                    "userAgent": "Mozilla/5.0",
                }
            }
    return {}


def _chance(kit: Kit, what: str, address: str) -> float:
    """Between 0 and 1, always the same for one seed and address."""
    return random.Random(f"{kit.seed}:{what}:{address}").random()
