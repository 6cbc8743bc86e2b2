"""Reads a telephone number as people write it: E.164, its kind, and which clocks it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult
from phonenumbers.timezone import time_zones_for_number

from mentalspace.kernel.errors import MentalSpaceError

Kind = Literal["mobile", "landline", "voip", "either", "unknown"]

# In North America mobiles and landlines share their ranges: "either". "landline" is whatever
# only takes calls.
_KINDS: dict[int, Kind] = {
    PhoneNumberType.MOBILE:               "mobile",
    PhoneNumberType.FIXED_LINE:           "landline",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "either",
    PhoneNumberType.VOIP:                 "voip",
    PhoneNumberType.TOLL_FREE:            "landline",
    PhoneNumberType.PREMIUM_RATE:         "landline",
    PhoneNumberType.SHARED_COST:          "landline",
    PhoneNumberType.UAN:                  "landline",
    PhoneNumberType.VOICEMAIL:            "landline",
}  # fmt: skip
_NOWHERE = "Etc/Unknown"
# A number whose zones are those of a continent tells nothing of the hour.
_MOST_ZONES = 6


@dataclass(frozen=True, slots=True)
class Number:
    """`region` is a country's two letters, or 001; `zones` are empty where the number says none."""

    e164: str
    kind: Kind
    region: str
    zones: tuple[str, ...]


@runtime_checkable
class KnowsNumbers(Protocol):
    """The further method of an adapter whose provider can be asked what a number is."""

    async def kind_of(self, e164: str) -> Kind | None:
        """None where the provider does not know either. Raises ProviderError, Refused. Each
        question costs."""
        ...


class NotANumber(MentalSpaceError):
    """`code` is stable: not_a_number, unknown_region, too_short, too_long_number, no_such_range.

    The text tells the front desk what is wrong, and never quotes the number.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def normalise(raw: str, region: str = "US") -> Number:
    """A number that can exist. `region` is where one without a country code is from.

    Raises NotANumber.
    """
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException as error:
        raise _unreadable(error) from error
    if number.extension:
        raise NotANumber("not_a_number", "an extension takes no texts; give a mobile number")
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            raise NotANumber("too_short", "digits are missing; give it with its area code")
        case ValidationResult.TOO_LONG | ValidationResult.INVALID_LENGTH:
            raise NotANumber("too_long_number", "it has not as many digits as numbers there have")
        case ValidationResult.INVALID_COUNTRY_CODE:
            raise NotANumber("unknown_region", "no country has this code")
    if not phonenumbers.is_valid_number(number):
        raise NotANumber("no_such_range", "no number begins like this; look for a typing error")
    return Number(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        _KINDS.get(phonenumbers.number_type(number), "unknown"),
        phonenumbers.region_code_for_number(number) or "001",
        _zones(number),
    )


def dials(typed: str | None, e164: str) -> bool:
    """Whether a number, as somebody wrote it, is this one."""
    try:
        return normalise(typed or "").e164 == e164
    except NotANumber:
        return False


def _unreadable(error: phonenumbers.NumberParseException) -> NotANumber:
    kind = phonenumbers.NumberParseException
    if error.error_type == kind.INVALID_COUNTRY_CODE:
        return NotANumber("unknown_region", "no country has this code; begin with + and the code")
    if error.error_type in (kind.TOO_SHORT_AFTER_IDD, kind.TOO_SHORT_NSN):
        return NotANumber("too_short", "digits are missing; give it with its area code")
    if error.error_type == kind.TOO_LONG:
        return NotANumber("too_long_number", "it has more digits than any number")
    return NotANumber("not_a_number", "it does not read as a telephone number")


def _zones(number: phonenumbers.PhoneNumber) -> tuple[str, ...]:
    zones = tuple(zone for zone in time_zones_for_number(number) if zone != _NOWHERE)
    return zones if len(zones) <= _MOST_ZONES else ()
