"""Checks of single values, the same for CSV and iCalendar.

Each returns the value as it will be kept, or reports a mistake and returns None. A mistake says
what shape was seen, never the value: it may be a person's.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from mentalspace.kernel.zones import zones
from mentalspace.practice.calendar_file.row import Mistake, RowStatus

MAX_ID = 255
MAX_NAME = 200
MAX_DURATION_MIN = 1440

STATUSES: dict[str, RowStatus] = {
    "":          "scheduled",
    "scheduled": "scheduled",
    "booked":    "scheduled",
    "confirmed": "scheduled",
    "active":    "scheduled",
    "tentative": "scheduled",
    "cancelled": "cancelled",
    "canceled":  "cancelled",
}  # fmt: skip

# Marks that turn the reading direction of everything after them.
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SCIENTIFIC = re.compile(r"[0-9]+[.,]?[0-9]*E\+?[0-9]+", re.IGNORECASE)
PHONE = re.compile(r"[0-9+()./\-\s\u2010-\u2013]+")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
WHOLE = re.compile(r"([0-9]{1,6})(\.0+)?")


@dataclass(slots=True)
class Mistakes:
    """Collects what is wrong with the row that begins at `line`."""

    line: int
    found: list[Mistake] = field(default_factory=list)

    def add(self, column: str, code: str, text: str, cure: str) -> None:
        self.found.append(Mistake(self.line, column, code, text, cure))


def read_id(value: str, column: str, mistakes: Mistakes) -> str:
    value = value.strip()
    if not value:
        mistakes.add(column, "missing_value", "it is empty", "give the identifier")
    elif SCIENTIFIC.fullmatch(value):
        mistakes.add(
            column,
            "id_scientific",
            "a spreadsheet rounded the identifier to scientific notation",
            "format the column as text and export again, so that two clients are not mixed up",
        )
    else:
        _check_text(value, column, MAX_ID, mistakes)
    return value


def read_name(value: str, column: str, mistakes: Mistakes) -> str:
    value = value.strip()
    if not value:
        mistakes.add(column, "missing_value", "it is empty", "give the client's name")
    elif value[0] in "=+-@":
        mistakes.add(
            column,
            "name_formula",
            f"it begins with {value[0]}, which a spreadsheet would run as a formula",
            "write the name as text, beginning with a letter",
        )
    else:
        _check_text(value, column, MAX_NAME, mistakes)
    return value


def read_email(value: str, column: str, mistakes: Mistakes) -> str | None:
    value = value.strip()
    if not value:
        return None
    shape = _email_shape(value)
    if shape is None:
        try:
            # .example and .test stay allowed, as the demo lives on them; .invalid does not.
            checked = validate_email(
                value,
                check_deliverability=False,
                test_environment=True,
                allow_smtputf8=False,
            )
            return checked.ascii_email or checked.normalized
        except EmailNotValidError:
            shape = "it holds something an address cannot have"
    mistakes.add(
        column,
        "not_an_email",
        f"not an e-mail address: {shape}",
        "write one address such as name@example.org, or leave it empty",
    )
    return None


def read_phone(value: str, column: str, mistakes: Mistakes) -> str | None:
    value = value.strip()
    if not value:
        return None
    digits = sum(c in "0123456789" for c in value)
    if SCIENTIFIC.fullmatch(value):
        text = "a spreadsheet rounded it to scientific notation"
    elif not PHONE.fullmatch(value) or not value.isprintable():
        text = "it holds something other than digits, spaces and + ( ) . - /"
    elif not 7 <= digits <= 15:
        text = f"it has {digits} digits, not 7 to 15"
    else:
        return value
    mistakes.add(
        column,
        "not_a_phone",
        f"not a phone number: {text}",
        "format the column as text and write one number such as +1 212 555 0100, or leave it empty",
    )
    return None


def read_zone(value: str, column: str, mistakes: Mistakes) -> str | None:
    value = value.strip()
    if not value or value in zones():
        return value or None
    mistakes.add(
        column,
        "unknown_zone",
        "not the name of a time zone",
        "use an IANA name such as America/New_York, or leave it empty for the practice's zone",
    )
    return None


def read_language(value: str, column: str, mistakes: Mistakes) -> str | None:
    value = value.strip()
    if not value:
        return None
    if LANGUAGE.fullmatch(value):
        primary, dash, rest = value.partition("-")
        return primary.lower() + dash + rest
    mistakes.add(
        column,
        "unknown_language",
        "not the code of a language",
        "use a code such as en or es, or leave it empty",
    )
    return None


def read_duration(value: str, column: str, mistakes: Mistakes) -> int:
    value = value.strip()
    whole = WHOLE.fullmatch(value)
    if not value:
        mistakes.add(column, "missing_value", "it is empty", "give the length in minutes")
    elif whole is None:
        mistakes.add(
            column,
            "duration_not_a_number",
            "not a whole number of minutes",
            "write minutes alone, such as 50",
        )
    else:
        return check_duration(int(whole[1]), column, mistakes)
    return 0


def check_duration(minutes: int, column: str, mistakes: Mistakes) -> int:
    if not 1 <= minutes <= MAX_DURATION_MIN:
        mistakes.add(
            column,
            "duration_range",
            "the length is outside 1 to 1440 minutes",
            "give the length of the appointment, at least a minute and at most a day",
        )
    return minutes


def read_status(value: str, column: str, mistakes: Mistakes) -> RowStatus:
    status = STATUSES.get(value.strip().lower())
    if status is None:
        mistakes.add(
            column,
            "unknown_status",
            "not a status we know",
            "use scheduled or cancelled; an empty one means scheduled",
        )
        return "scheduled"
    return status


def _email_shape(value: str) -> str | None:
    """What is plainly wrong with an address, in words."""
    local, _, domain = value.partition("@")
    checks = (
        (any(c.isspace() for c in value), "there is a space or a line break in it"),
        ("@" not in value, "there is no @"),
        ("@" in domain, "there is more than one @"),
        (not local, "there is nothing before the @"),
        (not domain, "there is nothing after the @"),
        ("." not in domain, "there is no dot after the @"),
    )
    return next((shape for wrong, shape in checks if wrong), None)


def _check_text(value: str, column: str, limit: int, mistakes: Mistakes) -> None:
    if len(value) > limit:
        mistakes.add(column, "too_long", f"it is longer than {limit} characters", "shorten it")
    if any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI_CONTROLS for c in value
    ):
        mistakes.add(
            column,
            "control_character",
            "it holds a line break, a tab or another invisible control character",
            "write it again on one line",
        )
