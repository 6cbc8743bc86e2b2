"""A measured figure beside its peer, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, beside what. `aim` is what was promised, in words; `met` if it
    is. Where less is better the ratio is the peer's share of ours. `note` says under which
    conditions."""

    name: str
    ours: float
    unit: str
    peer_name: str = ""
    peer: float | None = None
    less_is_better: bool = False
    aim: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours against the peer's: above one is better than it."""
        if not self.peer or not self.ours:
            return None
        return self.peer / self.ours if self.less_is_better else self.ours / self.peer


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def as_table(figures: Sequence[Figure]) -> str:
    """For a terminal: one line each, the peer under its own name."""
    lines = [f"{'':<46}{'ours':>12}{'peer':>12}{'ratio':>8}   beside; aim"]
    for figure in figures:
        peer = _number(figure.peer, figure.unit)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        aim = {True: f"  [{figure.aim}: met]", False: f"  [{figure.aim}: MISSED]", None: ""}
        note = f"  ({figure.note})" if figure.note else ""
        lines.append(
            f"{figure.name:<46}{_number(figure.ours, figure.unit):>12}{peer:>12}{ratio:>8}"
            f"   {figure.peer_name}{aim[figure.met]}{note}"
        )
    return "\n".join(lines)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f} {unit}".strip()
