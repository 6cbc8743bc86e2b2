"""Passwords: what nobody has is as dear to ask for as what somebody has."""

from __future__ import annotations

import pytest

from mentalspace.practice import password

pytestmark = pytest.mark.usefixtures("passwords_at_their_price")


def test_nobodys_password_costs_what_anybodys_does() -> None:
    """What is compared where there is no such person has today's parameters, or the answer would
    say by its time who is known."""
    assert not password.hash_is_dated(password._NOBODY)


async def test_nobody_has_it() -> None:
    """It holds for no one, while a person's own does."""
    known = await password.hash_password("a long enough password")
    assert await password.password_holds(known, "a long enough password")
    assert not await password.password_holds(known, "a long enough passwort")
    assert not await password.password_holds(None, "a long enough password")
