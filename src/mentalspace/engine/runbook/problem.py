"""What is wrong with a runbook file, where, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """An `error` makes the file unusable; a `warning` only flags it, as an overdue review."""

    path: Path
    line: int | None
    text: str
    cure: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{short_path(self.path)}:{self.line}" if self.line else short_path(self.path)
        return f"{place}: {self.severity}: {self.text}; {self.cure}"


def short_path(path: Path) -> str:
    """Relative to the working directory where it lies inside, else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
