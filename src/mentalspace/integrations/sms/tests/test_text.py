"""Numbers as people write them, and what a text must be before it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mentalspace.integrations.sms.model import Text, guard, weight
from mentalspace.integrations.sms.number import NotANumber, Number, normalise

TEXT = Text(
    to="+12025550142",
    body="Riverside Practice: appointment on Tuesday, June 2, 3:00 PM EDT. Reply 1 to confirm.",
    kind="reminder",
    language="en",
    may_say=("Riverside Practice", "(202) 555-0100"),
    must_not_say=("Ada Lovelace",),
)

# The page of bad numbers, bodies and callbacks is written by running these.
BAD_NUMBERS: tuple[tuple[str, str], ...] = (
    ("", "not_a_number"),
    ("ask at the desk", "not_a_number"),
    ("555-0142", "too_short"),
    ("+1234", "too_short"),
    ("+1 202 555 0142 99", "too_long_number"),
    ("1" * 400, "too_long_number"),
    ("+999 1234 5678", "unknown_region"),
    ("+1 555 555 1234", "no_such_range"),
    ("202 555 0142 ext. 7", "not_a_number"),
)
GUARDED: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({}, None),
    ({"to": "+15005550009"}, None),  # its owner answers for that one
    ({"to": "+1234"}, "too_short"),
    ({"to": "(202) 555-0142"}, "invalid_number"),
    ({"to": "+442079460958"}, "landline"),
    ({"body": " "}, "empty"),
    ({"body": "a" * 1601}, "too_long"),
    ({"body": "Riverside Practice: Ada Lovelace, reply 1"}, "phi"),
    ({"body": "Riverside Practice: your therapy is Tuesday"}, "phi"),
    ({"body": "Riverside Practice: call (202) 555-0100"}, None),
    ({"body": "Call (202) 555-0199"}, "phi"),
    ({"body": "Your code is 483920"}, "phi"),
    ({"body": "Your code is 483920", "may_say": ("483920",)}, None),
)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("(202) 555-0142", Number("+12025550142", "either", "US", ("America/New_York",))),
        ("1.202.555.0142", Number("+12025550142", "either", "US", ("America/New_York",))),
        ("+44 20 7946 0958", Number("+442079460958", "landline", "GB", ("Europe/London",))),
        ("+33 6 12 34 56 78", Number("+33612345678", "mobile", "FR", ("Europe/Paris",))),
        ("800 555 1234", Number("+18005551234", "landline", "US", ())),
        ("+15005550006", Number("+15005550006", "unknown", "US", ())),
    ],
)  # fmt: skip
def test_a_number_is_normalised(raw: str, number: Number) -> None:
    """E.164, its kind as far as its digits tell, and the zones where they name few."""
    assert normalise(raw) == number


@pytest.mark.parametrize(("raw", "code"), BAD_NUMBERS)
def test_what_is_no_number_says_why(raw: str, code: str) -> None:
    """The reason has a stable code, and words that do not quote what was typed."""
    with pytest.raises(NotANumber) as refused:
        normalise(raw)
    assert refused.value.code == code
    assert not raw or raw not in str(refused.value)


def test_a_text_survives_the_ledger() -> None:
    """The same text gives the same bytes, and the bytes give the text, of older releases too."""
    assert Text.from_bytes(TEXT.to_bytes()) == TEXT
    assert TEXT.to_bytes() == replace(TEXT).to_bytes()
    old = b'{"to": "+12025550142", "body": "Hi", "kind": "reminder", "language": "en"}'
    assert Text.from_bytes(old) == Text("+12025550142", "Hi", "reminder", "en")


@pytest.mark.parametrize(("changed", "code"), GUARDED)
def test_the_guard_keeps_what_must_not_leave(changed: dict[str, Any], code: str | None) -> None:
    """A bad number, a landline by its digits, no text at all, or one that gives somebody away."""
    evidence = guard(replace(TEXT, **changed).to_bytes())
    assert (evidence and evidence.code) == code


def test_a_text_weighs_its_segments() -> None:
    """The limiter is told what a carrier counts."""
    assert [weight(replace(TEXT, body=body).to_bytes()) for body in ("a", "a" * 161, "í" * 71)] == [
        1, 2, 2,
    ]  # fmt: skip
