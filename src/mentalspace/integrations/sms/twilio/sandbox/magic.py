"""Test credentials: the magic numbers and what each of them gets."""

from __future__ import annotations

from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.numbers import normal

# source: https://www.twilio.com/docs/iam/test-credentials#test-sms-messages
FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
VALID_FROM = "+15005550006"
TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}


def check(sender: str, to: str) -> tuple[str, str]:
    """The numbers, normalised. Raises the Problem of a magic one."""
    sender, to = normal(sender) or sender, normal(to) or to
    if sender in FROM:
        raise Problem(FROM[sender])
    if sender != VALID_FROM:
        raise Problem(21606 if normal(sender) else 21212)
    if to in TO:
        raise Problem(TO[to])
    number = normal(to)
    if number is None:
        raise Problem(21211, f"Invalid 'To' Phone Number: {to}")
    return sender, number
