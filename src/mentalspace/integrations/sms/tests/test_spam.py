"""Signs of spam are named by a list, and nothing else of a text is."""

from __future__ import annotations

import pytest

from mentalspace.integrations.sms.spam import suspicious


@pytest.mark.parametrize(
    ("body", "signs"),
    [
        ("Mesa: a reminder of your appointment on Mon Nov 30, 2pm.", []),
        ("Click here now! Win.", ["“click here”"]),
        ("HURRY UP, WILHELMINA, YOUR PLACE IS GOING", ["“hurry”", "mostly capitals"]),
        ("See bit.ly/x and https://ehr.example/a", ["a link by the shortener bit.ly",
                                                    "a link to our own host"]),
        ("https://wilhelmina.example/x, freely", ["a link to another’s host"]),
    ],
)  # fmt: skip
def test_signs_are_named_and_nobody_is(body: str, signs: list[str]) -> None:
    assert suspicious(body, "ehr.example") == signs
