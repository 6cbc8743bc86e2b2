"""Turns what happened into a text that may lie on a lock screen, in one segment wherever it can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.segments import count, plain
from mentalspace.integrations.sms.words import word
from mentalspace.practice.saying import spoken
from mentalspace.practice.saying.facts import (
    AppointmentFacts,
    AppointmentKind,
    Language,
    Letterhead,
)

# What we answer to a client's own text.
AnswerKind = Literal["confirmed", "called_off", "too_late", "unclear"]
# What we answer to STOP, START and HELP.
KeywordKind = Literal["opt_out_confirmation", "opt_in_confirmation", "help"]


def appointment_text(
    kind: AppointmentKind,
    facts: AppointmentFacts,
    to: str,
    *,
    may_cancel: bool = False,
    first: bool = False,
    must_not_say: tuple[str, ...] = (),
) -> Text:
    """The text in the client's zone and language, naming the practice and nobody else.

    A reminder asks for an answer: to cancel only while the practice's rules let a client.
    The `first` to a number says how to end them. What it need not say is left out until it
    fits into one segment.
    """
    language = facts.language
    local = facts.starts_at.astimezone(ZoneInfo(facts.timezone))
    must = [word("stop", language)] if first else []
    if kind == "reminder":
        must.insert(0, word("answer_both" if may_cancel else "answer_one", language))
    may = []
    if facts.further and kind == "created":
        may.append(word("further", language, number=facts.further))
    if facts.practice_phone:
        may.append(word("call", language, phone=facts.practice_phone))
    says = (
        word(key, language, practice=facts.practice_name, when=when)
        for key in (kind, f"{kind}.brief")
        for when in _whens(local, language)
    )
    return Text(
        to=to,
        body=_shortest(says, must, may),
        kind=kind if kind == "reminder" else f"appointment_{kind}",
        language=language,
        may_say=tuple(filter(None, (facts.practice_name, facts.practice_phone))),
        must_not_say=must_not_say,
    )


def answer_text(
    kind: AnswerKind, letterhead: Letterhead, to: str, starts_at: datetime | None = None
) -> Text:
    """What we answer to a client's own text. `starts_at` carries the client's zone, and is needed
    to say what was confirmed or called off."""
    language = letterhead.language
    whens: Iterable[str] = ("",) if starts_at is None else _whens(starts_at, language)
    says = (word(kind, language, practice=letterhead.practice_name, when=when) for when in whens)
    phone = letterhead.practice_phone
    may = [word("call", language, phone=phone)] if phone and kind == "too_late" else []
    return Text(
        to=to,
        body=_shortest(says, [], may),
        kind=f"answer_{kind}",
        language=language,
        may_say=tuple(filter(None, (letterhead.practice_name, phone))),
    )


def keyword_text(kind: KeywordKind, letterhead: Letterhead, to: str, useful_s: int) -> Text:
    """The one answer that a keyword gets."""
    language, name, phone = letterhead.language, letterhead.practice_name, letterhead.practice_phone
    call = word("help.call", language, phone=phone) if phone else ""
    return Text(
        to=to,
        body=plain(word(kind, language, practice=name, call=call)),
        kind=kind,
        language=language,
        may_say=tuple(filter(None, (name, plain(name), phone))),
        useful_s=useful_s,
    )


def code_text(code: str, minutes: int, host: str, language: Language, to: str) -> Text:
    """Says nothing of the practice: it lies on a lock screen. By its last line a telephone fills
    the code in, on the page of that `host` alone.

    source: https://wicg.github.io/sms-one-time-codes/
    """
    return Text(
        to=to,
        body=f"{word('log_in_code', language, code=code, minutes=minutes)}\n\n@{host} #{code}",
        kind="log_in_code",
        language=language,
        may_say=(code,),
        useful_s=60 * minutes,
    )


def _whens(local: datetime, language: Language) -> Iterator[str]:
    """From the fullest to the shortest way to say when; each tells the zone."""
    hour = spoken.brief_hour(local, language)
    yield f"{spoken.day(local, language)}, {hour}"
    yield f"{spoken.brief_day(local, language)}, {hour}"


def _shortest(says: Iterable[str], must: list[str], may: list[str]) -> str:
    """The first that is one segment, leaving out the last of what `may` be said before the day is
    shortened; the shortest if none is."""
    body = ""
    for said in says:
        for kept in range(len(may), -1, -1):
            body = plain(" ".join([said, *may[:kept], *must]))
            if count(body).segments == 1:
                return body
    return body
