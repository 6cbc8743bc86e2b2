"""Days, hours and sums as a person would say them, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from mentalspace.practice.saying.facts import Language

_DAYS: Mapping[Language, str] = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
}
_MONTHS: Mapping[Language, str] = {
    "en": "January February March April May June July August September October November"
          " December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
          " diciembre",
}  # fmt: skip
# By abbreviation and hours from UTC: "CST" alone is Chicago's, Havana's and Shanghai's.
_ZONES: Mapping[tuple[str, float], Mapping[Language, str]] = {
    ("HST", -10):  {"en": "Hawaii Time",   "es": "hora de Hawái"},
    ("AKST", -9):  {"en": "Alaska Time",   "es": "hora de Alaska"},
    ("AKDT", -8):  {"en": "Alaska Time",   "es": "hora de Alaska"},
    ("PST", -8):   {"en": "Pacific Time",  "es": "hora del Pacífico"},
    ("PDT", -7):   {"en": "Pacific Time",  "es": "hora del Pacífico"},
    ("MST", -7):   {"en": "Mountain Time", "es": "hora de la Montaña"},
    ("MDT", -6):   {"en": "Mountain Time", "es": "hora de la Montaña"},
    ("CST", -6):   {"en": "Central Time",  "es": "hora del Centro"},
    ("CDT", -5):   {"en": "Central Time",  "es": "hora del Centro"},
    ("EST", -5):   {"en": "Eastern Time",  "es": "hora del Este"},
    ("EDT", -4):   {"en": "Eastern Time",  "es": "hora del Este"},
    ("AST", -4):   {"en": "Atlantic Time", "es": "hora del Atlántico"},
    ("ADT", -3):   {"en": "Atlantic Time", "es": "hora del Atlántico"},
}  # fmt: skip
# Noon and midnight, which AM and PM leave people guessing at.
_NAMED_HOURS: Mapping[tuple[int, int], Mapping[Language, str]] = {
    (0, 0):  {"en": "12:00 midnight", "es": "12:00 de la medianoche"},
    (12, 0): {"en": "12:00 noon",     "es": "12:00 del mediodía"},
}  # fmt: skip
_SIGNS = {"USD": "$", "MXN": "MX$", "CAD": "CA$", "EUR": "€", "GBP": "£"}
_WITHOUT_CENTS = frozenset({"JPY", "KRW", "CLP", "PYG"})


def day(local: date, language: Language) -> str:
    """`Tuesday, November 24` and `martes 24 de noviembre`."""
    weekday = _DAYS[language].split()[local.weekday()]
    month = _MONTHS[language].split()[local.month - 1]
    match language:
        case "en":
            return f"{weekday}, {month} {local.day}"
        case "es":
            return f"{weekday} {local.day} de {month}"


def day_and_year(local: date, language: Language) -> str:
    match language:
        case "en":
            return f"{day(local, language)}, {local.year}"
        case "es":
            return f"{day(local, language)} de {local.year}"


def hour(local: datetime, language: Language) -> str:
    """`2:30 PM Central Time (CST)`: the abbreviation tells the two same hours of autumn apart.

    Twelve hours in both languages, as English and Spanish are written in the United States.
    """
    join = {"en": " ", "es": ", "}[language]
    return f"{unbroken(_clock(local, language))}{join}{unbroken(_zone(local, language))}"


def brief_day(local: date, language: Language) -> str:
    """`Tue, Nov 24` and `mar 24 nov`, without an accent."""
    weekday = _DAYS[language].split()[local.weekday()][:3].replace("á", "a").replace("é", "e")
    month = _MONTHS[language].split()[local.month - 1][:3]
    match language:
        case "en":
            return f"{weekday}, {month} {local.day}"
        case "es":
            return f"{weekday} {local.day} {month}"


def brief_hour(local: datetime, language: Language) -> str:
    """`2:30 PM CST`: as little as still tells the zone."""
    return f"{_clock(local, language)} {_abbreviation(local)}"


def unbroken(text: str) -> str:
    """With spaces at which no line ends: half an hour or half a telephone number misleads."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def money(amount_cents: int, currency: str) -> str:
    """`$1,234.50`, and a currency without a sign of its own by its code."""
    code = currency.upper()
    sum_ = f"{amount_cents:,}" if code in _WITHOUT_CENTS else f"{amount_cents / 100:,.2f}"
    sign = _SIGNS.get(code)
    return f"{sign}{sum_}" if sign else f"{sum_} {code}"


def _clock(local: datetime, language: Language) -> str:
    if (local.hour, local.minute) in _NAMED_HOURS:
        return _NAMED_HOURS[local.hour, local.minute][language]
    half = {"en": ("AM", "PM"), "es": ("a. m.", "p. m.")}[language][local.hour >= 12]
    return f"{local.hour % 12 or 12}:{local:%M} {half}"


def _abbreviation(local: datetime) -> str:
    abbreviation = local.tzname() or ""
    if abbreviation.isalpha():
        return abbreviation
    offset_min = int((local.utcoffset() or timedelta(0)).total_seconds() // 60)
    minutes = abs(offset_min) % 60
    return f"UTC{int(offset_min / 60):+d}" + (f":{minutes:02d}" if minutes else "")


def _zone(local: datetime, language: Language) -> str:
    """A zone the United States name, else the city's: `Madrid time (CEST)`, `(UTC-3)`."""
    hours = (local.utcoffset() or timedelta(0)).total_seconds() / 3600
    abbreviation = _abbreviation(local)
    known = _ZONES.get((abbreviation, hours))
    if known is not None:
        return f"{known[language]} ({abbreviation})"
    key = getattr(local.tzinfo, "key", "")
    if "/" not in key or key.startswith("Etc/"):
        return f"({abbreviation})" if language == "en" else abbreviation
    city = key.rpartition("/")[2].replace("_", " ")
    return {"en": f"{city} time", "es": f"hora de {city}"}[language] + f" ({abbreviation})"
