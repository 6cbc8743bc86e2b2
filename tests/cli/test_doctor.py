"""The doctor's verdict and its tables, without a system."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mentalspace.cli.doctor import WIDTH, _table
from mentalspace.kernel.checkup import State, Whose
from mentalspace.workflows.doctor.verdict import judge


@dataclass(frozen=True, slots=True)
class Found:
    check: str
    state: State
    whose: Whose | None = None
    subject: str = "acme/default"

    @property
    def text(self) -> str:
        return f"{self.check} is {self.state}"


@pytest.mark.parametrize(
    ("found", "whose", "text", "more"),
    [
        ([], "nobody", "nothing is wrong", 0),
        ([Found("DMARC", "warning", "ours")], "nobody", "nothing fails; but DMARC: ", 0),
        ([Found("breaker", "bad", "theirs"), Found("provider", "bad", "theirs")], "theirs", "p", 1),
        ([Found("DKIM", "bad", "ours"), Found("queue age", "bad", "ours")], "ours", "queue", 1),
        (
            [Found("provider", "bad", "theirs"), Found("SPF", "bad", "ours")],
            "both", "provider is bad. Ours as well: SPF", 0,
        ),
        ([Found("SPF", "bad")], "unclear", "SPF: SPF is bad", 0),
    ],
)  # fmt: skip
def test_the_weightiest_decides(found: list[Found], whose: str, text: str, more: int) -> None:
    """An answer beats what follows from it; faults on both sides are both's, and both are said."""
    verdict = judge(found)
    assert (verdict.whose, verdict.more) == (whose, more)
    assert verdict.text.startswith(text)


def test_a_table_is_never_wider_than_the_screen() -> None:
    """What is too wide is cut where it is widest, and says so."""
    lines = list(_table(("a", "b"), [("x" * 80, "y" * 70), ("short", "z")], cut=None))
    assert max(map(len, lines)) <= WIDTH
    assert "…" in lines[1]
    assert lines[2].split() == ["short", "z"]
