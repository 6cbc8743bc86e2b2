"""What clients are texted: one segment, nothing private, and no word that carriers act on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from mentalspace.integrations.sms.model import Text, guard
from mentalspace.integrations.sms.render import (
    AnswerKind,
    KeywordKind,
    answer_text,
    appointment_text,
    code_text,
    keyword_text,
)
from mentalspace.integrations.sms.segments import count
from mentalspace.practice.saying.facts import (
    AppointmentFacts,
    AppointmentKind,
    Language,
    Letterhead,
)

TO, PHONE = "+12025550142", "(202) 555-0100"
NAMES = ("Harbor House", "Riverside Behavioral Health and Counseling of Tulsa")
ZONES = ("America/New_York", "America/Denver", "America/Los_Angeles", "America/Puerto_Rico",
         "America/Sao_Paulo", "Europe/Madrid")  # fmt: skip
KINDS: tuple[AppointmentKind, ...] = ("created", "updated", "cancelled", "reminder")
LANGUAGES: tuple[Language, ...] = ("en", "es")
KEYWORDS: tuple[KeywordKind, ...] = ("opt_out_confirmation", "opt_in_confirmation", "help")
ANSWERS: tuple[AnswerKind, ...] = (
    "confirmed", "called_off", "too_late", "unclear",
)  # fmt: skip
# Wednesdays in September and Saturdays in May are said longest and shortest.
STARTS = [datetime(2026, month, 2, 4, 30, tzinfo=UTC) + timedelta(days=d)
          for month in (5, 9) for d in range(7)]  # fmt: skip


def _facts(name: str, zone: str, language: Language, starts_at: datetime) -> AppointmentFacts:
    return AppointmentFacts(
        appointment_id=UUID(int=7),
        version=1,
        written_at=starts_at - timedelta(days=9),
        starts_at=starts_at,
        duration_min=50,
        timezone=zone,
        language=language,
        practice_name=name,
        practice_phone=PHONE,
        further=3,
    )


def _all() -> list[Text]:
    texts = [
        appointment_text(kind, _facts(name, zone, language, at), TO, may_cancel=may, first=first)
        for kind, name, zone, language, at, may, first in product(
            KINDS, NAMES, ZONES, LANGUAGES, STARTS, (True, False), (True, False)
        )
    ]
    for name, language in product(NAMES, LANGUAGES):
        head = Letterhead(name, PHONE, language)
        local = STARTS[0].astimezone(ZoneInfo(ZONES[0]))
        texts += [answer_text(kind, head, TO, local) for kind in ANSWERS]
        texts += [keyword_text(kind, head, TO, 300) for kind in KEYWORDS]
        texts.append(code_text("493021", 10, "portal.harbor-house.example", language, TO))
    return texts


def test_every_text_is_one_segment_and_may_leave() -> None:
    """Of each kind, in each language and zone, with a long name, and as the first to a number: our
    own guard lets it go, and it costs one segment of the cheap alphabet."""
    for text in _all():
        counted = count(text.body)
        assert (counted.encoding, counted.segments) == ("GSM-7", 1), text.body
        assert guard(text.to_bytes()) is None, text.body


def test_no_text_asks_for_a_word_that_carriers_act_on() -> None:
    """CANCEL opts out and YES opts in, wherever in a reply they are the only word."""
    for text in _all():
        assert not re.search(r"\b(?:CANCEL|YES|END|QUIT)\b", text.body), text.body


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_a_reminder_asks_for_an_answer_and_only_what_the_rules_allow(
    language: Language,
) -> None:
    """After the hour until which a client may cancel, 2 is not offered."""
    facts = _facts(NAMES[0], ZONES[0], language, STARTS[6])
    early = appointment_text("reminder", facts, TO, may_cancel=True).body
    late = appointment_text("reminder", facts, TO).body
    booked = appointment_text("created", facts, TO, may_cancel=True).body
    assert (" 1 " in early, " 2 " in early) == (True, True)
    assert (" 1 " in late, " 2 " in late) == (True, False)
    assert not re.search(r"\b(?:Reply|Responda)\b", booked)
    assert "STOP" in appointment_text("created", facts, TO, first=True).body


def test_a_name_that_is_too_long_costs_a_second_segment_and_loses_nothing() -> None:
    """What must be said is never cut."""
    facts = _facts("A" * 90, ZONES[0], "en", STARTS[0])
    body = appointment_text("reminder", facts, TO, may_cancel=True, first=True).body
    assert count(body).segments == 2
    assert "A" * 90 in body
    assert "2 to cancel" in body
    assert "STOP" in body


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_fills_itself_in_on_one_page(language: Language) -> None:
    """Its last line binds it to the host, as browsers read it; nothing names the practice."""
    text = code_text("000000", 10, "portal.harbor-house.example", language, TO)
    assert text.body.endswith("\n\n@portal.harbor-house.example #000000")
    assert text.useful_s == 600
