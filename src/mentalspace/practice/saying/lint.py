"""What a message would give away to whoever looks over a shoulder: pure, over its text."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from mentalspace.practice.saying import clinical_words

Rule = Literal[
    "clinical_word", "kind_of_visit", "medicine", "lock_screen_word", "name", "title",
    "numeric_date", "identity_number", "telephone",
]  # fmt: skip

CURES: dict[Rule, str] = {
    "clinical_word":    "Say “appointment”, or nothing: it tells why somebody comes.",
    "kind_of_visit":    "Say “appointment”: it tells what kind of visit it is.",
    "medicine":         "Leave the medicine out; speak of it in the practice.",
    "lock_screen_word": "Leave it out of subject and preheader; inside it may stand.",
    "name":             "Leave the name out: it goes to one person, who knows it.",
    "title":            "Do not name a clinician; name the practice.",
    "numeric_date":     "Write the day in words; a date in digits may be a date of birth.",
    "identity_number":  "Leave the number out; ask for it in the practice.",
    "telephone":        "Give no telephone number but the practice’s own.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be said there. `found` quotes it, so it may be PHI."""

    place: str
    rule: Rule
    found: str = field(repr=False)

    @property
    def cure(self) -> str:
        return CURES[self.rule]


def lint(
    place: str,
    text: str,
    *,
    lock_screen: bool,
    may_say: Sequence[str] = (),
    must_not_say: Sequence[str] = (),
) -> list[Finding]:
    """What of `text` must not stand at `place`.

    `may_say` are the practice's own name and telephone, which a `lock_screen` may not show
    either. `must_not_say` are full names; one of a single word is left alone, for "May" is a
    month as well.
    """
    allowed = () if lock_screen else tuple(filter(None, may_say))
    read = _ADDRESSES.sub(" ", text)
    for phrase in allowed:
        read = re.sub(rf"{re.escape(phrase)}(?!\w)", " · ", read)
    plain = _plain(read)
    found = [*_words(plain, lock_screen), *_names(plain, must_not_say), *_titles(read)]
    found += _numbers(plain, allowed)
    return [Finding(place, rule, quoted) for rule, quoted in dict.fromkeys(found)]


def visible(page: str) -> str:
    """What a reader of an HTML page sees, without tags, styles and the preheader."""
    return html.unescape(_TAGS.sub(" ", _UNSEEN.sub(" ", page)))


def preheader(page: str) -> str:
    """What an inbox shows beside the subject."""
    found = _PREHEADER.search(page)
    return html.unescape(found[1]) if found else ""


_PREHEADER = re.compile(r'<div class="preheader"[^>]*>(.*?)</div>', re.DOTALL)
_UNSEEN = re.compile(
    r'<head\b.*?</head>|<!--.*?-->|<div class="preheader".*?</div>', re.DOTALL | re.IGNORECASE
)
_TAGS = re.compile(r"<[^>]*>")
# Links carry tokens, in which anything may stand; a practice's domain is its own affair.
_ADDRESSES = re.compile(r"https?://\S+|[\w.+-]+@[\w.-]+")
# An address ends in "Lake Dr." too; what follows a title begins with a capital letter.
_TITLE = re.compile(
    r"\b(?:Dra?\.\s+[A-ZÁÉÍÓÚÑ]\w+|\w+,? (?:Ph\.?D|Psy\.?D|LCSW|LMFT|LPC|LMHC)\b)\.?"
)
_DIGIT = re.compile(r"\d")
_NUMERIC_DATE = re.compile(
    r"(?<![\w.])(?:\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})|\d{4}[/.-]\d{1,2}[/.-]\d{1,2})(?!\w)"
)
_IDENTITY = re.compile(r"(?<!\w)(?:\d{3}[- ]\d{2}[- ]\d{4}|[a-z]{1,4}[- ]?\d{6,12})(?!\w)")
_TELEPHONE = re.compile(r"(?<![\w$€£-])\+?\(?\d[\d ().-]{5,}\d(?!\w)")


# Accents once they stand apart, soft hyphens, joiners and marks of direction.
_INVISIBLE = re.compile("[\u0300-\u036f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def _plain(text: str) -> str:
    """In small letters, without accents and without what no eye sees."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKD", text.casefold())).split())


def _split(listing: str) -> tuple[frozenset[str], frozenset[str]]:
    words = listing.split()
    stems = frozenset(word[:-1] for word in words if word.endswith("*"))
    return frozenset(word for word in words if not word.endswith("*")), stems


_LISTS: Sequence[tuple[Rule, tuple[frozenset[str], frozenset[str]]]] = (
    ("clinical_word", _split(clinical_words.CLINICAL)),
    ("kind_of_visit", _split(clinical_words.KIND_OF_VISIT)),
    ("medicine", _split(clinical_words.MEDICINES)),
    ("lock_screen_word", _split(clinical_words.LOCK_SCREEN)),
)
_PHRASES = tuple(
    " ".join(each.split()) for each in clinical_words.CLINICAL_PHRASES.split(";") if each.strip()
)


def _tokens(plain: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain)


def _words(plain: str, lock_screen: bool) -> Iterator[tuple[Rule, str]]:
    tokens = _tokens(plain)
    for token in dict.fromkeys(tokens):
        for rule in _rules_of(token):
            if lock_screen or rule != "lock_screen_word":
                yield rule, token
    line = f" {' '.join(tokens)} "
    for phrase in _PHRASES:
        if f" {phrase} " in line:
            yield "clinical_word", phrase


@lru_cache(maxsize=4096)  # messages repeat themselves
def _rules_of(token: str) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule, (whole, stems) in _LISTS
        if token in whole or any(token[:end] in stems for end in range(4, len(token) + 1))
    )


def _names(plain: str, names: Sequence[str]) -> Iterator[tuple[Rule, str]]:
    line = f" {' '.join(_tokens(plain))} "
    for name in names:
        parts = _tokens(_plain(name))
        orders = (parts, [parts[-1], *parts[:-1]]) if len(parts) > 1 else ()
        if any(f" {' '.join(order)} " in line for order in orders):
            yield "name", name


def _titles(text: str) -> Iterator[tuple[Rule, str]]:
    for found in _TITLE.finditer(text):
        yield "title", found[0]


def _numbers(plain: str, allowed: Sequence[str]) -> Iterator[tuple[Rule, str]]:
    if not _DIGIT.search(plain):
        return
    for found in _NUMERIC_DATE.finditer(plain):
        yield "numeric_date", found[0]
    rest = _NUMERIC_DATE.sub(" ", plain)
    for found in _IDENTITY.finditer(rest):
        yield "identity_number", found[0]
    for found in _TELEPHONE.finditer(_IDENTITY.sub(" ", rest)):
        digits = re.sub(r"\D", "", found[0])
        ours = (re.sub(r"\D", "", each) for each in allowed)
        if len(digits) >= 7 and not any(digits[-10:] in each for each in ours):
            yield "telephone", found[0]
