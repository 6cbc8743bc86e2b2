"""Telephone numbers as Twilio reads them."""

from __future__ import annotations

import re

E164 = re.compile(r"\+[1-9]\d{6,14}")
NANP = re.compile(r"\+1[2-9]\d{2}[2-9]\d{6}")
SHORT_CODE = re.compile(r"[1-9]\d{4,5}")
COUNTRIES = {"1": "US", "44": "GB", "49": "DE", "33": "FR", "34": "ES", "52": "MX", "63": "PH"}


def normal(given: str) -> str | None:
    """E.164, or None for what is no telephone number. Ten bare digits are American."""
    digits = re.sub(r"[\s().-]", "", given)
    if re.fullmatch(r"\d{10}", digits):
        digits = f"+1{digits}"
    if re.fullmatch(r"1\d{10}", digits):
        digits = f"+{digits}"
    wanted = NANP if digits.startswith("+1") else E164
    return digits if wanted.fullmatch(digits) else None


def country_of(number: str) -> tuple[str, str | None]:
    """The calling code, as far as it is known here, and the country."""
    for size in (1, 2):
        code = number[1 : 1 + size]
        if code in COUNTRIES:
            return code, COUNTRIES[code]
    return number[1:3], None


def national(number: str) -> str:
    if NANP.fullmatch(number):
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    code, _country = country_of(number)
    return "0" + number[1 + len(code) :]
