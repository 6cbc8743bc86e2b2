"""How many segments a body takes, counted as the carriers do."""

from __future__ import annotations

# source: https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
DOUBLE = frozenset("^{}\\[~]|€\f")


def segments_of(body: str) -> int:
    """At least 1: an empty body is one segment."""
    if all(letter in BASIC or letter in DOUBLE for letter in body):
        return _parts([2 if letter in DOUBLE else 1 for letter in body], 160, 153)
    return _parts([2 if ord(letter) > 0xFFFF else 1 for letter in body], 70, 67)


def _parts(sizes: list[int], alone: int, each: int) -> int:
    """A letter of two units is never torn apart between two segments."""
    if sum(sizes) <= alone:
        return 1
    parts, used = 1, 0
    for size in sizes:
        if used + size > each:
            parts, used = parts + 1, 0
        used += size
    return parts
