"""The numbers and messaging services of an account, and which of them sends."""

from __future__ import annotations

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.numbers import SHORT_CODE, normal
from mentalspace.integrations.sms.twilio.sandbox.words import Json, lasting_sid, option


def numbers_of(kit: Kit, account: Account) -> list[str]:
    own = account.profile.get("phone_number")
    if own and "numbers" not in account.options:
        return [str(own)]
    return [str(number) for number in option(kit, account, "numbers")]


def services_of(kit: Kit, account: Account) -> dict[str, Json]:
    """By SID: `numbers`, and what its campaign's registration has come to."""
    given = option(kit, account, "services")
    if given:
        return {str(sid): dict(item) for sid, item in given.items()}
    own = account.profile.get("messaging_service_sid") or lasting_sid("MG", account.id)
    return {str(own): {}}


def numbers_in(kit: Kit, account: Account, service: Json) -> list[str]:
    found = service.get("numbers")
    return numbers_of(kit, account) if found is None else [str(number) for number in found]


def sender_of(kit: Kit, account: Account, given: str, service_sid: str, to: str) -> str:
    """The number that sends. Raises the Problem of one that may not."""
    if service_sid:
        service = services_of(kit, account).get(service_sid)
        if service is None:
            raise Problem(21701)
        pool = numbers_in(kit, account, service)
        if not pool:
            raise Problem(21703)
        if not given:
            return sticky(pool, to)
    if not given:
        raise Problem(21603)
    number = given if SHORT_CODE.fullmatch(given) else normal(given)
    if number is None:
        raise Problem(21212, f"Invalid 'From' Phone Number: {given}")
    if number not in numbers_of(kit, account):
        raise Problem(21606)
    if number in option(kit, account, "voice_only"):
        raise Problem(21606)
    return number


def sticky(pool: list[str], to: str) -> str:
    """The same recipient hears from the same number."""
    return pool[sum(map(ord, to)) % len(pool)]
