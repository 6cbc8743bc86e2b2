"""A second factor that needs no provider: a time-based code from a person's device, and
recovery codes for the day it is lost."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import pyotp

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.audit import note
from mentalspace.practice.person import Person

ISSUER = "MentalSpace"
PURPOSE = "second_factor"
# source: https://www.rfc-editor.org/rfc/rfc6238#section-5.2
STEP_S = 30
RECOVERY_CODES = 10
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
# How long a secret that was shown waits for its first code.
PENDING_FOR = timedelta(minutes=15)

Refusal = Literal["wrong", "locked", "expired"]

_TEXTS: dict[Refusal, str] = {
    "wrong": "The code is not right, or was used already. Wait for the next one and try again.",
    "locked": "After five wrong codes the account rests for 15 minutes, even for the right one.",
    "expired": "This took too long. Begin again.",
}

_STATE = """
select f.enrolled_at, (select count(*) from recovery_code r
                        where r.user_id = f.user_id and r.used_at is null) as codes_left
  from second_factor f where f.user_id = $1 and f.secret is not null
"""
_PENDING = """
insert into second_factor (user_id, pending, pending_at) values ($1, $2, clock_timestamp())
on conflict (user_id) do update set
  pending = case when second_factor.pending_at > clock_timestamp() - $3::interval
                 then second_factor.pending else excluded.pending end,
  pending_at = case when second_factor.pending_at > clock_timestamp() - $3::interval
                    then second_factor.pending_at else excluded.pending_at end
where second_factor.secret is null
returning pending
"""
_CONFIRM = """
update second_factor set secret = pending, enrolled_at = clock_timestamp(), pending = null,
                         pending_at = null, last_step = $2, failures = 0, locked_until = null
 where user_id = $1 and secret is null and pending is not null returning true
"""
# Counted before it is looked at, so that codes tried side by side cannot all be the first one.
_KNOCK = """
update second_factor set
  failures = case when locked_until <= clock_timestamp() then 1 else failures + 1 end,
  locked_until = case
    when locked_until <= clock_timestamp() then null
    when failures + 1 >= $2 then clock_timestamp() + $3
    end
where user_id = $1 and secret is not null
  and (locked_until is null or locked_until <= clock_timestamp())
returning secret, last_step, locked_until is not null as now_locked
"""
_TAKE_STEP = """
update second_factor set last_step = $2, failures = 0, locked_until = null
 where user_id = $1 and last_step < $2 returning true
"""
_TAKE_RECOVERY = """
with taken as (
  update recovery_code set used_at = clock_timestamp()
   where user_id = $1 and code_hash = $2 and used_at is null returning user_id)
update second_factor f set failures = 0, locked_until = null
  from taken where f.user_id = taken.user_id returning true
"""
_REMOVE = """
update second_factor set secret = null, enrolled_at = null, pending = null, pending_at = null,
                         failures = 0, locked_until = null
 where user_id = $1 and secret is not null returning true
"""
_FORGET_CODES = """
update recovery_code set used_at = clock_timestamp() where user_id = $1 and used_at is null
"""


class SecondFactorRefused(MentalSpaceError):
    """`code` is stable; the text is for the person."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(_TEXTS[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """One that is in force. `codes_left` counts the recovery codes not used yet."""

    enrolled_at: datetime
    codes_left: int


# What needs no database ---------------------------------------------------------------------------


def address_of(secret: str, account: str) -> str:
    """What the QR code says to an authenticator app.

    source: https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    """
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_of(secret: str, code: str, at: datetime, *, after: int = 0) -> int | None:
    """Which 30 seconds the code belongs to: now, or one step beside it for clocks that differ.

    None if it is wrong, or of a step not after `after`, whose code was taken already. Every
    step is compared, in constant time.
    """
    totp, now = pyotp.TOTP(secret), int(at.timestamp()) // STEP_S
    given = "".join(code.split()).encode("utf-8", "surrogatepass")
    found = None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), given) and step > after:
            found = step
    return found


def new_recovery_codes() -> tuple[str, ...]:
    """Ten codes of 80 random bits, each to be used once."""
    return tuple(
        "-".join(word[n : n + 4] for n in range(0, 16, 4))
        for word in (pyotp.random_base32(32)[:16].lower() for _ in range(RECOVERY_CODES))
    )


def recovery_hash(user_id: UUID, code: str) -> bytes:
    """However it was typed: with or without dashes, blanks and capitals."""
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(user_id.bytes + plain.encode("utf-8", "surrogatepass")).digest()


# Enrolment ----------------------------------------------------------------------------------------


async def second_factor_of(database: Database, user_id: UUID) -> SecondFactor | None:
    """None while none is in force."""
    async with database.as_door() as connection:
        row = await connection.fetchrow(_STATE, user_id)
    return None if row is None else SecondFactor(**dict(row))


async def offer_secret(database: Database, vault: Vault, user_id: UUID) -> str | None:
    """The secret to put into the device: the same for a quarter of an hour, so that a page may be
    read again. None if a second factor is in force already."""
    sealed = vault.seal(user_id, PURPOSE, pyotp.random_base32().encode())
    async with database.as_door() as connection:
        pending: bytes | None = await connection.fetchval(_PENDING, user_id, sealed, PENDING_FOR)
    return None if pending is None else vault.open(user_id, PURPOSE, pending).decode()


async def enrol(
    database: Database, vault: Vault, person: Person, session: bytes, code: str, at: datetime
) -> tuple[str, ...]:
    """Put the offered secret in force, since the device has shown that it knows it; the recovery
    codes, for the only time.

    `session` is the hash of the person's own, which may go on; their others end, for they were
    opened by a password alone. Raises SecondFactorRefused.
    """
    secret = await offer_secret(database, vault, person.user_id)
    if secret is None:
        raise SecondFactorRefused("expired")
    step = step_of(secret, code, at)
    if step is None:
        raise SecondFactorRefused("wrong")
    async with database.as_door() as connection:
        if not await connection.fetchval(_CONFIRM, person.user_id, step):
            raise SecondFactorRefused("expired")
        codes = await _renew_codes(connection, person.user_id)
        await _end_other_sessions(connection, person.user_id, session, must_enrol=False)
        await _note(connection, person, "second_factor_enrolled")
    return codes


async def renew_recovery_codes(
    database: Database, vault: Vault, person: Person, code: str, at: datetime
) -> tuple[str, ...]:
    """Ten new ones in place of the old. Raises SecondFactorRefused unless the code holds."""
    await require_code(database, vault, person, code, at)
    async with database.as_door() as connection:
        codes = await _renew_codes(connection, person.user_id)
        await _note(connection, person, "recovery_codes_renewed")
    return codes


async def remove(database: Database, person: Person, session: bytes, *, required: bool) -> None:
    """Take it out of force, once password and code have been shown; other sessions end.

    Where one is `required`, nothing but a new enrolment is open afterwards.
    """
    async with database.as_door() as connection:
        await _forget(connection, person.user_id)
        await _end_other_sessions(connection, person.user_id, session, must_enrol=required)
        await _note(connection, person, "second_factor_removed")


async def reset(connection: Connection | asyncpg.Connection[Any], user_id: UUID) -> bool:
    """Somebody else takes it away, for whoever lost device and codes; all their sessions end.

    False if there was none. As the door or the owner; the caller has asked whether they may.
    """
    removed = await _forget(connection, user_id)
    await connection.execute(
        "update session set ended_at = clock_timestamp() where user_id = $1 and ended_at is null",
        user_id,
    )
    return removed


# Codes --------------------------------------------------------------------------------------------


async def require_code(
    database: Database, vault: Vault, person: Person, code: str, at: datetime
) -> None:
    """Raises SecondFactorRefused unless the person shows a code of theirs that was not used."""
    refusal = await check_code(database, vault, person.user_id, person.practice_id, code, at)
    if refusal is not None:
        raise SecondFactorRefused(refusal)


async def check_code(
    database: Database,
    vault: Vault,
    user_id: UUID,
    practice_id: UUID | None,
    code: str,
    at: datetime,
) -> Literal["wrong", "locked"] | None:
    """None if the code holds, and it is used by that: a device's or a recovery code.

    Five failures in a row lock it for 15 minutes. Each refusal is in the audit.
    """
    actor = str(user_id)
    async with database.as_door() as connection:
        row = await connection.fetchrow(_KNOCK, user_id, MOST_FAILURES, LOCKED_FOR)
        if row is None:
            await note(
                connection, actor, "second_factor_refused", practice_id=practice_id, code="locked"
            )
            return "locked"
        if await _take(connection, vault, user_id, practice_id, row, code, at):
            return None
        await note(
            connection, actor, "second_factor_refused", practice_id=practice_id, code="wrong"
        )
        if row["now_locked"]:
            await note(connection, actor, "second_factor_locked", practice_id=practice_id)
    return "wrong"


async def _take(
    connection: Connection,
    vault: Vault,
    user_id: UUID,
    practice_id: UUID | None,
    row: Any,
    code: str,
    at: datetime,
) -> bool:
    """Use the code up, if it is one. The update decides between two who bring the same."""
    secret = vault.open(user_id, PURPOSE, row["secret"]).decode()
    step = step_of(secret, code, at, after=row["last_step"])
    if step is not None:
        return bool(await connection.fetchval(_TAKE_STEP, user_id, step))
    taken = await connection.fetchval(_TAKE_RECOVERY, user_id, recovery_hash(user_id, code))
    if taken:
        await note(connection, str(user_id), "recovery_code_used", practice_id=practice_id)
    return bool(taken)


async def _renew_codes(connection: Connection, user_id: UUID) -> tuple[str, ...]:
    await connection.execute(_FORGET_CODES, user_id)
    codes = new_recovery_codes()
    await connection.executemany(
        "insert into recovery_code (user_id, code_hash) values ($1, $2)",
        [(user_id, recovery_hash(user_id, code)) for code in codes],
    )
    return codes


async def _forget(connection: Connection | asyncpg.Connection[Any], user_id: UUID) -> bool:
    removed = await connection.fetchval(_REMOVE, user_id)
    await connection.execute(_FORGET_CODES, user_id)
    return bool(removed)


async def _end_other_sessions(
    connection: Connection, user_id: UUID, own: bytes, *, must_enrol: bool
) -> None:
    await connection.execute(
        "update session set ended_at = case when id_hash = $2 then null else clock_timestamp() end,"
        " must_enrol = $3 where user_id = $1 and ended_at is null",
        user_id,
        own,
        must_enrol,
    )


async def _note(connection: Connection, person: Person, action: str) -> None:
    await note(connection, str(person.user_id), action, practice_id=person.practice_id)
