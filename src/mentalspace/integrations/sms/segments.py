"""How a text is cut for the radio: its alphabet, its segments, and what may be written plainer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]

# source: 3GPP TS 23.038, 6.2.1 and 6.2.1.1
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a second septet each

# What one holds alone, and beside the six bytes that say which part it is.
# source: https://www.twilio.com/docs/glossary/what-sms-character-limit
_ROOM: dict[Encoding, tuple[int, int]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}

# Marks that say the same in the old alphabet.
_MARKS = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "`": "'", "´": "'",
        "“": '"', "”": '"', "„": '"', "″": '"', "«": '"', "»": '"',
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-",
        "…": "...", "•": "-", "·": "-", "\t": " ",
        "\u00a0": " ", "\u2007": " ", "\u2008": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ",
        "\u00ad": None, "\u200b": None, "\u2060": None, "\ufeff": None,
    }
)  # fmt: skip
_ACCENTS = str.maketrans("áíóúÁÍÓÚ", "aiouAIOU")
# Spanish words that are no other word without their accent. Not here: sí, más, está, tú, número.
_SAME = frozenset(
    """
    sábado sábados día días mediodía todavía próximo próxima próximos próximas código códigos
    aquí así ningún según todavía vía línea página clínica clínico médico médica teléfono
    último última últimos últimas mínimo máximo rápido rápida electrónico
    electrónica automático automática gustaría podría sería
    """.split()
)
_WORD = re.compile(r"[^\W\d_]+")
_NOUN = ("ción", "sión")


@dataclass(frozen=True, slots=True)
class Segments:
    """`units` are septets or 16-bit words as billed: an extended sign or an emoji is two. `left` of
    them the last segment still takes."""

    encoding: Encoding
    units: int
    segments: int
    left: int = field(default=0, compare=False)


def count(body: str) -> Segments:
    """What a text costs. A pair of units is never cut: it moves to the next segment whole."""
    encoding: Encoding = "GSM-7" if _BASIC.union(_EXTENDED).issuperset(body) else "UCS-2"
    sizes = [_size(sign, encoding) for sign in body]
    units = sum(sizes)
    alone, beside_others = _ROOM[encoding]
    if units <= alone:
        return Segments(encoding, units, 1, alone - units)
    segments, left = 1, beside_others
    for size in sizes:
        if size > left:
            segments, left = segments + 1, beside_others
        left -= size
    return Segments(encoding, units, segments, left)


def plain(body: str) -> str:
    """The same words in the cheap alphabet, if that can be had without loss; else as written.

    Quotes, dashes and blanks change their form. An accent goes only from a Spanish word that is
    no other without it: "año" and "sí" stay.
    """
    whole = unicodedata.normalize("NFC", body)
    tried = _WORD.sub(_without_accent, whole.translate(_MARKS))
    return tried if count(tried).encoding == "GSM-7" else body


def _without_accent(word: re.Match[str]) -> str:
    said = word[0].casefold()
    return word[0].translate(_ACCENTS) if said in _SAME or said.endswith(_NOUN) else word[0]


def _size(sign: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if sign in _EXTENDED else 1
    return 2 if ord(sign) > 0xFFFF else 1
