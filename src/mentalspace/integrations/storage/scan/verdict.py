"""What a scanner found, and what it says when it found nothing out."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.kernel.errors import MentalSpaceError


@dataclass(frozen=True, slots=True)
class Verdict:
    """`finding` is the scanner's own name for what is wrong, letters and digits; None for clean.
    `scanner` is which of them looked."""

    scanner: str
    finding: str | None

    @property
    def is_clean(self) -> bool:
        return self.finding is None


class ScannerAway(MentalSpaceError):
    """Nobody knows whether the file is harmful: the scanner does not answer, or will not say."""


class TooLong(MentalSpaceError):
    """Nobody will know: the scanner is there, and looks at no file so long."""
