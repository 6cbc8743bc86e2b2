"""Who holds the database's connections, and how to have them back."""

from __future__ import annotations

import pytest

from mentalspace.engine.slots import Slots


@pytest.mark.parametrize(
    ("held_by", "quoted"),
    [("monthly-report", "'monthly-report'"), ("o'neill's", "'o''neill''s'"), ("", "''")],
)
def test_whoever_holds_them_stands_in_the_statement_that_ends_it(held_by: str, quoted: str) -> None:
    """To be pasted, whatever name the program gave itself."""
    slots = Slots(97, 97, held_by, 76, "idle")
    assert slots.advice.endswith(f"where application_name = {quoted}")
