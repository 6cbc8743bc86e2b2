"""What becomes of a message: by its recipient, by its words, or by seeded chance."""

from __future__ import annotations

import fnmatch
import random
from datetime import datetime, timedelta

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Step
from mentalspace.integrations.sms.twilio.sandbox.errors import LATER, Problem, comes_later
from mentalspace.integrations.sms.twilio.sandbox.words import PROVIDER, ROOM, Json, option

# Beside these, a fate is a code: one that comes later, or one that refuses the send; or
# `answer:` and what the person texts back.
WORDS = ("delivered", "slow", "silent", "stop")
ANSWER = "answer:"
# The carrier never got these; what it got and did not hand over is `undelivered`.
# source: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
FAILED = (30001, 30002, 30036)
UNSENT = (30001, 30002, 30034, 30036)

# Which share of ordinary numbers meets what; one number always meets the same.
SHARES = (
    ("unreachable_share", "30003"),
    ("blocked_share", "30004"),
    ("unknown_share", "30005"),
    ("landline_share", "30006"),
    ("carrier_error_share", "30008"),
    ("slow_share", "slow"),
    ("silent_share", "silent"),
)
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "read", "received"})


def fate_of(kit: Kit, account: Account, to: str, body: str) -> str:
    """One of WORDS, or a code. Raises the Problem of a number that is refused at once."""
    fate = kit.faults.pick_fate(ROOM, PROVIDER, account.id) or _fate(kit, account, to)
    if fate.isdigit() and not comes_later(int(fate)):
        raise Problem(int(fate))
    if fate == "delivered" and is_spam(kit, account, body):
        return {"block": "30007", "slow": "filtered"}.get(option(kit, account, "filtering"), fate)
    return fate


def answer_of(fate: str) -> str | None:
    """What the person texts back once the message is there, if anything."""
    return "STOP" if fate == "stop" else fate[len(ANSWER) :] if fate.startswith(ANSWER) else None


def is_spam(kit: Kit, account: Account, body: str) -> bool:
    plain = body.lower()
    return any(str(words).lower() in plain for words in option(kit, account, "spam_words"))


def line_type_of(kit: Kit, account: Account, number: str) -> str:
    """As Lookup tells it: by option, or as the number's fate has it."""
    for pattern, kind in option(kit, account, "line_types").items():
        if fnmatch.fnmatch(number, pattern):
            return str(kind)
    return "landline" if _fate(kit, account, number) in ("30006", "21614") else "mobile"


def steps_of(
    kit: Kit,
    account: Account,
    fate: str,
    *,
    states: tuple[str, ...],
    begins_at: datetime,
    leaves_at: datetime,
    validity_s: int,
) -> tuple[Step, ...]:
    """`states` are those before it is on its way, the initial one first."""
    steps = [_step(state, begins_at) for state in states]
    if (leaves_at - begins_at).total_seconds() > validity_s:
        return (*steps, _step("failed", begins_at + timedelta(seconds=validity_s), 30036))
    low, high = option(kit, account, "lag_min_s"), option(kit, account, "lag_max_s")
    part = timedelta(seconds=kit.random.uniform(low, high) / 3)
    code = int(fate) if fate.isdigit() else None
    end_at = leaves_at + 3 * part
    if code in UNSENT:
        return (*steps, _step("failed" if code in FAILED else "undelivered", end_at, code))
    steps += [_step("sending", leaves_at + part), _step("sent", leaves_at + 2 * part)]
    match fate:
        case "silent":
            return tuple(steps)
        case "slow":
            end_at += timedelta(seconds=option(kit, account, "delay_s"))
        case "filtered":
            end_at += timedelta(seconds=option(kit, account, "filter_delay_s"))
    return (*steps, _step("undelivered" if code else "delivered", end_at, code))


def _fate(kit: Kit, account: Account, to: str) -> str:
    for pattern, fate in option(kit, account, "fates").items():
        known = str(fate) in WORDS or str(fate).isdigit() or str(fate).startswith(ANSWER)
        if known and fnmatch.fnmatch(to, pattern):
            return str(fate)
    chance = random.Random(f"{kit.seed}:fate:{to}").random()
    for name, fate in SHARES:
        share = float(option(kit, account, name))
        if chance < share:
            return fate
        chance -= share
    return "delivered"


def _step(state: str, at: datetime, code: int | None = None) -> Step:
    details: Json = {}
    if code is not None:
        message = LATER.get(code, "Message not delivered")
        details["error"] = {"code": code, "type": str(code), "message": message}
    return Step(f"message.{state}", at.isoformat(), details)
