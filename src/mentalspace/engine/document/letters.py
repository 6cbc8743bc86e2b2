"""What of a text the standard fonts of a PDF can draw, and what stands in for the rest."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

# The fonts every reader has know this and no more.
_FONT = "cp1252"
# Marks that say the same; nothing is lost by them.
_ALIKE: Mapping[str, str] = {
    "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~",
    "−": "-", "‑": "-", "‐": "-", "―": "–", "█": "#", "\u00a0": " ", "\u202f": " ",
    "\u2009": " ", "\u2007": " ", "\u200b": "", "\ufeff": "", "\u00ad": "", "✓": "yes", "✗": "no",
}  # fmt: skip


class Letters:
    """Counts what it could not keep, so that the document can say so at its end."""

    def __init__(self) -> None:
        self.changed = 0

    def drawable(self, text: str) -> str:
        """The text in what can be drawn: a letter without its marks, or a code such as [U+4E2D]."""
        return "".join(self._one(letter) for letter in unicodedata.normalize("NFC", text))

    def _one(self, letter: str) -> str:
        if letter in "\n\t":
            return letter
        if (alike := _ALIKE.get(letter)) is not None:
            return alike
        if _has(letter) and letter.isprintable():
            return letter
        self.changed += 1
        plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if part.isascii())
        return plain if plain.strip() and plain.isprintable() else f"[U+{ord(letter):04X}]"


def _has(letter: str) -> bool:
    try:
        letter.encode(_FONT)
    except UnicodeEncodeError:
        return False
    return True
