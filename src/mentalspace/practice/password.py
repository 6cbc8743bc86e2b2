"""Passwords: argon2id, checked off the event loop and always at the same price."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# What is compared when there is no such person, so that the answer takes as long: by the same
# parameters, of a password that nobody kept. Made here, it would cost each start 0.1 s.
_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$mK/Y"
    "2D+DwOV5Y6GOdkv0lQ$JiHDzu2rKLufKwKhPYhSVhyAF8X+g2nBgPlstgG/6fQ"
)
# A password longer than this is refused unread: hashing a megabyte is a favour to an attacker.
LONGEST = 1024


async def hash_password(password: str) -> str:
    """An encoded hash with its parameters. Raises ValueError outside 8 to 1024 characters."""
    if not 8 <= len(password) <= LONGEST:
        raise ValueError(f"a password has 8 to {LONGEST} characters")
    return await asyncio.to_thread(_HASHER.hash, password)


async def password_holds(known: str | None, given: str) -> bool:
    """Whether `given` is the password behind `known`; None costs the same and never holds."""
    holds = await asyncio.to_thread(_verify, known or _NOBODY, given[:LONGEST])
    return holds and known is not None and len(given) <= LONGEST


def hash_is_dated(known: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(known)


def _verify(known: str, given: str) -> bool:
    try:
        return _HASHER.verify(known, given.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
