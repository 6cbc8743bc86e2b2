"""Times in words mean one instant, on both days of a change of clocks, in every zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mentalspace.integrations.email.words import LANGUAGES
from mentalspace.practice.saying.facts import Language
from mentalspace.practice.saying.spoken import day, day_and_year, hour, money

# Zone, the day clocks go forward, the day they go back. Lord Howe's step is half an hour.
CHANGES = [
    ("America/New_York", date(2026, 3, 8), date(2026, 11, 1)),
    ("America/Los_Angeles", date(2026, 3, 8), date(2026, 11, 1)),
    ("Europe/Madrid", date(2026, 3, 29), date(2026, 10, 25)),
    ("Australia/Sydney", date(2026, 10, 4), date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4), date(2026, 4, 5)),
]
_SAID = re.compile(r"(\d+):(\d\d).(AM|PM|noon|midnight|a..m.|p..m.|del|de).*?\(([^)]+)\)$")


def _meant(said: str, on: date, zone: ZoneInfo) -> set[datetime]:
    """Every instant of that day that the words could mean, read as a client would."""
    found = _SAID.fullmatch(said)
    assert found, said
    number, minute, half, mark = int(found[1]) % 12, int(found[2]), found[3], found[4]
    number += 12 if half[0] in "Pp" or "noon" in said or "mediodía" in said else 0
    instants = set()
    for fold in (0, 1):
        local = datetime(on.year, on.month, on.day, number, minute, tzinfo=zone, fold=fold)
        if local.tzname() == mark or mark in _offsets(local):
            instants.add(local.astimezone(UTC))
    return instants


def _offsets(local: datetime) -> set[str]:
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    return {f"UTC{minutes // 60:+d}", f"UTC{minutes // 60:+d}:{minutes % 60:02d}"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "forward", "back"), CHANGES)
def test_words_mean_one_instant(name: str, forward: date, back: date, language: Language) -> None:
    """Every half hour of both days, the doubled ones too, is said so that it is that instant."""
    zone = ZoneInfo(name)
    for changing, hours in ((forward, 23), (back, 25)):
        midnight = datetime(changing.year, changing.month, changing.day, tzinfo=zone)
        at, seen = midnight.astimezone(UTC), set()
        while (local := at.astimezone(zone)).date() == changing:
            assert _meant(hour(local, language), local.date(), zone) == {at}
            seen.add(hour(local, language))
            at += timedelta(minutes=30)
        length = 2 * hours if "Lord_Howe" not in name else 2 * hours + (1 if hours == 23 else -1)
        assert len(seen) == length, "the day has as many half hours as it has"


@pytest.mark.parametrize(
    ("zone", "english", "spanish"),
    [
        ("America/Chicago", "2:30 PM Central Time (CST)", "2:30 p. m., hora del Centro (CST)"),
        ("America/Phoenix", "1:30 PM Mountain Time (MST)", "1:30 p. m., hora de la Montaña (MST)"),
        ("America/Puerto_Rico", "4:30 PM Atlantic Time (AST)",
         "4:30 p. m., hora del Atlántico (AST)"),
        ("Europe/Madrid", "9:30 PM Madrid time (CET)", "9:30 p. m., hora de Madrid (CET)"),
        ("Asia/Shanghai", "4:30 AM Shanghai time (CST)", "4:30 a. m., hora de Shanghai (CST)"),
        ("America/Havana", "3:30 PM Havana time (CST)", "3:30 p. m., hora de Havana (CST)"),
        ("Asia/Kathmandu", "2:15 AM Kathmandu time (UTC+5:45)",
         "2:15 a. m., hora de Kathmandu (UTC+5:45)"),
        ("America/St_Johns", "5:00 PM St Johns time (NST)", "5:00 p. m., hora de St Johns (NST)"),
        ("America/Sao_Paulo", "5:30 PM Sao Paulo time (UTC-3)",
         "5:30 p. m., hora de Sao Paulo (UTC-3)"),
        ("UTC", "8:30 PM (UTC)", "8:30 p. m., UTC"),
    ],
)  # fmt: skip
def test_an_hour_is_said_with_its_zone(zone: str, english: str, spanish: str) -> None:
    """The zone has a name people know and the abbreviation that fits the season."""
    local = datetime(2026, 11, 24, 20, 30, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert hour(local, "en").replace("\N{NO-BREAK SPACE}", " ") == english
    assert hour(local, "es").replace("\N{NO-BREAK SPACE}", " ") == spanish


def test_days_are_written_as_each_language_does() -> None:
    """Names of days and months, their order and their small or capital letters."""
    at = date(2026, 2, 4)
    assert (day(at, "en"), day(at, "es")) == ("Wednesday, February 4", "miércoles 4 de febrero")
    assert day_and_year(at, "en") == "Wednesday, February 4, 2026"
    assert day_and_year(at, "es") == "miércoles 4 de febrero de 2026"


def test_sums_are_written_with_their_currency() -> None:
    """Cents are cents, a currency without them has none, and one without a sign has its code."""
    assert money(123450, "usd") == "$1,234.50"
    assert money(5, "USD") == "$0.05"
    assert money(1500, "jpy") == "1,500 JPY"
    assert money(995, "pen") == "9.95 PEN"
