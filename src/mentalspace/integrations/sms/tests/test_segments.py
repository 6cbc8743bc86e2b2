"""Segments against a telephone's own way: octets packed by the standard, cut and read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from mentalspace.integrations.sms.segments import Segments, count, plain

# The standard's table by its codes, eight rows of sixteen. 0x1B is the escape.
TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅå" "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" " !\"#¤%&'()*+,-./" "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO" "PQRSTUVWXYZÄÖÑÜ§" "¿abcdefghijklmno" "pqrstuvwxyzäöñüà"
)  # fmt: skip
BEHIND_ESCAPE = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
    0x40: "|", 0x65: "€",
}  # fmt: skip
OCTETS = 140  # of user data, in one message
HEADER = bytes((5, 0, 3, 7, 0, 0))  # that says which part of how many it is

CHEAP = "".join(sign for sign in TABLE if sign != "\x1b")
POOLS = (CHEAP, CHEAP + "".join(BEHIND_ESCAPE.values()), CHEAP + "íő„漢😀\U0001f1fa")


def test_segments_are_what_a_telephone_would_receive() -> None:
    """10,000 random texts, most of them about as long as a boundary, cost what they do on air."""
    random = Random(20261125)
    for _ in range(10_000):
        text = _text(random)
        parts = list(_on_air(text))
        assert count(text).segments == len(parts), repr(text)
        assert "".join(part.read() for part in parts) == text, "the oracle itself must hold"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Segments("GSM-7", 0, 1)),
        ("a" * 160, Segments("GSM-7", 160, 1)),
        ("a" * 161, Segments("GSM-7", 161, 2)),
        ("a" * 158 + "€", Segments("GSM-7", 160, 1)),
        ("a" * 159 + "€", Segments("GSM-7", 161, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3)),  # the pair was not cut
        ("é" * 306, Segments("GSM-7", 306, 2)),
        ("í" * 70, Segments("UCS-2", 70, 1)),
        ("í" * 71, Segments("UCS-2", 71, 2)),
        ("😀" * 35, Segments("UCS-2", 70, 1)),
        ("í" * 66 + "😀" + "í" * 66, Segments("UCS-2", 134, 3)),
    ],
)
def test_boundaries(text: str, found: Segments) -> None:
    """Each boundary, and what a pair does that lies across it."""
    assert count(text) == found


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("“Acme” – it’s at 3…", '"Acme" - it\'s at 3...'),
        ("Su cita es el sábado a mediodía.", "Su cita es el sabado a mediodia."),
        ("CONFIRMACIÓN: próximo día", "CONFIRMACION: proximo dia"),
        ("sa\u0301bado", "sabado"),
        ("Un año más", "Un año más"),
        ("Responda sí el sábado", "Responda sí el sábado"),
        ("Mañana a las 3, ¡qué bien!", "Mañana a las 3, ¡qué bien!"),
        ("“漢字”", "“漢字”"),
        ("3:30\u202fPM\u200b", "3:30 PM"),
    ],
)  # fmt: skip
def test_only_what_means_the_same_is_written_plainer(written: str, sent: str) -> None:
    """Accents that tell words apart stay, and what cannot become cheap stays as it was."""
    assert plain(written) == sent


def _text(random: Random) -> str:
    length = random.choice((70, 67, 134, 160, 153, 306, 459)) + random.randint(-3, 3)
    if random.random() < 0.3:
        length = random.randint(0, 500)
    pool = random.choice(POOLS)
    rare = random.choice((0.0, 0.01, 0.1, 1.0))
    pick = random.choice
    return "".join(pick(pool if random.random() < rare else "abc e") for _ in range(length))


@dataclass(frozen=True)
class Part:
    """One message: its octets, and how they are read (`septets` is None for 16-bit words)."""

    octets: bytes
    septets: int | None = None
    fill: int = 0

    def read(self) -> str:
        if self.septets is None:
            return self.octets.decode("utf-16-be")
        bits = int.from_bytes(self.octets, "little") >> self.fill
        codes = [bits >> (7 * place) & 0x7F for place in range(self.septets)]
        signs = []
        while codes:
            code = codes.pop(0)
            signs.append(BEHIND_ESCAPE[codes.pop(0)] if code == 0x1B else TABLE[code])
        return "".join(signs)


def _on_air(text: str) -> Iterator[Part]:
    """Each message, cut where the octets end."""
    try:
        codes = [code for sign in text for code in _codes(sign)]
    except ValueError:
        yield from _wide_parts(text.encode("utf-16-be"))
        return
    if len(_pack(codes, 0)) <= OCTETS:
        yield Part(_pack(codes, 0), len(codes))
        return
    while codes:
        most = min(len(codes), OCTETS * 8 // 7)
        while len(HEADER) + len(_pack(codes[:most], 1)) > OCTETS or codes[most - 1] == 0x1B:
            most -= 1
        yield Part(_pack(codes[:most], 1), most, fill=1)
        codes = codes[most:]


def _wide_parts(octets: bytes) -> Iterator[Part]:
    if len(octets) <= OCTETS:
        yield Part(octets)
        return
    while octets:
        end = min(len(octets), OCTETS - len(HEADER))
        if 0xD8 <= octets[end - 2] <= 0xDB:  # the first half of a pair
            end -= 2
        yield Part(octets[:end])
        octets = octets[end:]


def _codes(sign: str) -> tuple[int, ...]:
    for code, extended in BEHIND_ESCAPE.items():
        if extended == sign:
            return 0x1B, code
    return (TABLE.index(sign),)


def _pack(codes: list[int], fill_bits: int) -> bytes:
    """Septets, the first in the lowest bits. Behind a header they begin on a septet's boundary."""
    bits = "".join(f"{code:07b}" for code in reversed(codes)) + "0" * fill_bits
    return int(bits or "0", 2).to_bytes((len(bits) + 7) // 8, "little")
