"""Log-in in one or two steps, sessions and log-out; whoever knocks is nobody until this module
says otherwise."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from mentalspace.engine.db import LOOKING_WAITS_S, Connection, Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.phi import Phi
from mentalspace.practice.audit import note
from mentalspace.practice.password import hash_is_dated, hash_password, password_holds
from mentalspace.practice.person import PERMISSIONS, ROLES, Permission, Person, Role
from mentalspace.practice.second_factor import (
    SecondFactorRefused,
    check_code,
    second_factor_of,
)

__all__ = [
    "CSRF_HEADER",
    "PERMISSIONS",
    "ROLES",
    "SESSION_COOKIE",
    "LogInRefused",
    "Permission",
    "Person",
    "Role",
    "SecondFactorAsked",
    "create_user",
    "csrf_holds",
    "end_demo_sessions",
    "finish_log_in",
    "log_in",
    "log_out",
    "open_client_session",
    "person_of",
    "require_password",
    "session_hash",
]

SESSION_COOKIE = "ms_session"
CSRF_HEADER = "x-csrf-token"

# Instants here are real time: a demo's clock that jumps a week must not sign everybody out.
IDLE = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
# From the right password to the right code.
HALF_WAY = timedelta(minutes=10)
DEMO_DOMAIN = "@demo.example"

_REFUSAL = (
    "The address or the password is not right. After five wrong tries an account rests for"
    " 15 minutes, even for the right password."
)

# The failure is counted before the password is looked at, so that tries sent side by side
# cannot all be the first one. The right password sets the count back.
_KNOCK = """
update app_user set
  failed_logins = case when locked_until <= clock_timestamp() then 1 else failed_logins + 1 end,
  locked_until = case
    when locked_until <= clock_timestamp() then null
    when failed_logins + 1 >= $2 then clock_timestamp() + $3
    end
where lower(email) = lower($1) and active
  and (locked_until is null or locked_until <= clock_timestamp())
returning id, password_hash, locked_until is not null as now_locked
"""
_KNOWN = "select id, active from app_user where lower(email) = lower($1)"
_MEMBERSHIP = """
select m.role, m.practice_id, m.client_id from membership m
  left join practice p on p.id = m.practice_id
 where m.user_id = $1 order by m.role = 'client', p.name nulls first, m.role limit 1
"""
_PERSON = """
select s.user_id, u.name, u.email, s.role, s.practice_id, s.client_id,
       s.csrf, s.must_enrol, s.seen_at < clock_timestamp() - interval '1 min' as seen_long_ago
  from session s
  join app_user u on u.id = s.user_id and u.active
  join membership m on m.user_id = s.user_id and m.role = s.role
       and m.practice_id is not distinct from s.practice_id
       and m.client_id is not distinct from s.client_id
 where s.id_hash = $1 and s.ended_at is null
   and s.seen_at > clock_timestamp() - $2::interval
   and s.created_at > clock_timestamp() - $3::interval
"""
# Asked apart: whoever is on call is of no practice, and comes in while that table is locked.
_PRACTICE_NAME = "select name from practice where id = $1"

_HALF_WAY = """
select h.user_id from half_log_in h join app_user u on u.id = h.user_id and u.active
 where h.id_hash = $1 and h.ended_at is null and h.created_at > clock_timestamp() - $2::interval
"""


class LogInRefused(MentalSpaceError):
    """`code` is for tests and the audit; the text is the same for all, and tells nobody
    whether an address is known."""

    def __init__(self, code: Literal["wrong", "locked", "inactive"]) -> None:
        super().__init__(_REFUSAL)
        self.code = code


class SecondFactorAsked(MentalSpaceError):
    """The password is right and a code is asked for as well; `ticket` says so to
    `finish_log_in` for ten minutes, and opens nothing by itself."""

    def __init__(self, ticket: str) -> None:
        super().__init__("a code of the second factor is asked for")
        self.ticket = ticket


async def log_in(
    database: Database,
    email: str,
    password: str,
    *,
    demo_allowed: bool,
    second_factor_required: bool = False,
) -> tuple[Person, str]:
    """The person and the cookie of their new session. Raises LogInRefused, or SecondFactorAsked
    if they have one.

    Five failures in a row lock the account for 15 minutes. `demo_allowed` is False in
    production, where the demo's people stay out even if their rows are still there. Where a
    second factor is required, staff without one may only enrol.
    """
    known, refusal = await _knock(database, email, demo_allowed)
    holds = await password_holds(known["password_hash"] if known else None, password)
    if known is None or not holds:
        await _note_refusal(database, known, refusal)
        raise LogInRefused(refusal)
    renewed = await hash_password(password) if hash_is_dated(known["password_hash"]) else None
    cookie = secrets.token_urlsafe(32)
    has_factor = await second_factor_of(database, known["id"]) is not None
    async with database.as_door() as connection:
        await connection.execute(
            "update app_user set failed_logins = 0, locked_until = null,"
            " password_hash = coalesce($2, password_hash) where id = $1",
            known["id"],
            renewed,
        )
        member = await connection.fetchrow(_MEMBERSHIP, known["id"])
        if has_factor:
            await connection.execute(
                "insert into half_log_in (id_hash, user_id) values ($1, $2)",
                session_hash(cookie),
                known["id"],
            )
        elif member is not None:
            must_enrol = second_factor_required and member["role"] != "client"
            await _open_session(connection, known["id"], member, cookie, must_enrol)
    if has_factor:
        raise SecondFactorAsked(cookie)
    return await _opened(database, cookie)


async def finish_log_in(
    database: Database, vault: Vault, ticket: str, code: str, at: datetime
) -> tuple[Person, str]:
    """The second step: the person and the cookie of their new session.

    `code` is the device's or a recovery code, `at` the real time. Raises SecondFactorRefused;
    five wrong codes in a row lock the second factor for 15 minutes.
    """
    async with database.as_door() as connection:
        user_id = await connection.fetchval(_HALF_WAY, session_hash(ticket), HALF_WAY)
        if user_id is None:
            raise SecondFactorRefused("expired")
        member = await connection.fetchrow(_MEMBERSHIP, user_id)
    practice_id = None if member is None else member["practice_id"]
    refusal = await check_code(database, vault, user_id, practice_id, code, at)
    if refusal is not None:
        raise SecondFactorRefused(refusal)
    cookie = secrets.token_urlsafe(32)
    async with database.as_door() as connection:
        spent = await connection.fetchval(
            "update half_log_in set ended_at = clock_timestamp()"
            " where id_hash = $1 and ended_at is null returning true",
            session_hash(ticket),
        )
        if not spent:
            raise SecondFactorRefused("expired")
        if member is not None:
            await _open_session(connection, user_id, member, cookie, False)
    return await _opened(database, cookie)


async def open_client_session(
    database: Database, user_id: UUID, practice_id: UUID, client_id: UUID
) -> str:
    """The cookie of a new session of a client who gave their one-time code. Raises LogInRefused if
    they are no client there any more."""
    cookie = secrets.token_urlsafe(32)
    member = {"practice_id": practice_id, "role": "client", "client_id": client_id}
    async with database.as_door() as connection:
        await _open_session(connection, user_id, member, cookie, False)
    await _opened(database, cookie)
    return cookie


async def person_of(database: Database, cookie: str) -> Person | None:
    """Who the session belongs to; None if it ended, lay idle, or the membership is gone. Raises
    asyncpg.LockNotAvailableError while somebody holds a table that this needs."""
    if not cookie:
        return None
    id_hash = session_hash(cookie)
    async with database.as_door(LOOKING_WAITS_S) as connection:
        row = await connection.fetchrow(_PERSON, id_hash, IDLE, LONGEST_SESSION)
        if row is None:
            return None
        practice_id = row["practice_id"]
        practice_name = (
            await connection.fetchval(_PRACTICE_NAME, practice_id) if practice_id else None
        )
        if row["seen_long_ago"]:
            await connection.execute(
                "update session set seen_at = clock_timestamp() where id_hash = $1", id_hash
            )
    return Person(
        user_id=row["user_id"],
        name=row["name"],
        email=Phi(row["email"]),
        role=row["role"],
        practice_id=practice_id,
        practice_name=practice_name,
        client_id=row["client_id"],
        csrf=row["csrf"],
        must_enrol=row["must_enrol"],
    )


async def require_password(database: Database, person: Person, password: str) -> None:
    """Ask somebody signed in for their password again, counted as at log-in. LogInRefused."""
    known, refusal = await _knock(database, person.email.reveal(), demo_allowed=True)
    holds = await password_holds(known["password_hash"] if known else None, password)
    if known is None or not holds:
        await _note_refusal(database, known, refusal)
        raise LogInRefused(refusal)
    async with database.as_door() as connection:
        await connection.execute(
            "update app_user set failed_logins = 0, locked_until = null where id = $1", known["id"]
        )


async def _opened(database: Database, cookie: str) -> tuple[Person, str]:
    person = await person_of(database, cookie)
    if person is None:  # no membership, or the account was closed this very moment
        raise LogInRefused("inactive")
    return person, cookie


async def log_out(database: Database, cookie: str) -> None:
    """End the session. Twice is no mistake."""
    async with database.as_door() as connection:
        row = await connection.fetchrow(
            "update session set ended_at = clock_timestamp()"
            " where id_hash = $1 and ended_at is null returning user_id, practice_id",
            session_hash(cookie),
        )
        if row is not None:
            await note(connection, str(row["user_id"]), "log_out", practice_id=row["practice_id"])


async def end_demo_sessions(owner: asyncpg.Connection[Any]) -> None:
    """Log the demo's people out; for a production over what was a demo's database."""
    await owner.execute(
        "update session set ended_at = clock_timestamp() where ended_at is null and user_id in"
        " (select id from app_user where right(lower(email), length($1)) = $1)",
        DEMO_DOMAIN,
    )


def csrf_holds(person: Person, given: str | None) -> bool:
    """Whether a form or header carries this session's token. Never for a person by token."""
    if not person.csrf or not given:
        return False
    return hmac.compare_digest(person.csrf.encode(), given.encode("utf-8", "surrogatepass"))


async def create_user(
    owner: asyncpg.Connection[Any],
    email: str,
    name: str,
    password: str,
    memberships: Sequence[tuple[str, UUID | None]],
    *,
    client_id: UUID | None = None,
    renew_password: bool = False,
) -> UUID:
    """The user's id; made if the address was new, and given the memberships missing.

    A known user keeps their password unless `renew_password`. Runs on the owner's connection.
    `client_id` goes with a membership as `client`.
    """
    known = await owner.fetchrow(
        "select id, password_hash from app_user where lower(email) = lower($1)", email
    )
    if known is None:
        user_id: UUID = await owner.fetchval(
            "insert into app_user (email, name, password_hash) values ($1, $2, $3) returning id",
            email,
            name,
            await hash_password(password),
        )
    else:
        user_id = known["id"]
        if renew_password and not await password_holds(known["password_hash"], password):
            await owner.execute(
                "update app_user set password_hash = $2, failed_logins = 0, locked_until = null"
                " where id = $1",
                user_id,
                await hash_password(password),
            )
    for role, practice_id in memberships:
        await owner.execute(
            "insert into membership (user_id, practice_id, role, client_id)"
            " values ($1, $2, $3, $4) on conflict do nothing",
            user_id,
            practice_id,
            role,
            client_id if role == "client" else None,
        )
    return user_id


async def _knock(
    database: Database, email: str, demo_allowed: bool
) -> tuple[Any | None, Literal["wrong", "locked", "inactive"]]:
    """The row whose password may be tried, and what to answer if it does not hold."""
    if not email.isprintable() or (not demo_allowed and email.lower().endswith(DEMO_DOMAIN)):
        return None, "wrong"
    async with database.as_door() as connection:
        row = await connection.fetchrow(_KNOCK, email, MOST_FAILURES, LOCKED_FOR)
        if row is not None:
            return row, "wrong"
        known = await connection.fetchrow(_KNOWN, email)
    if known is None:
        return None, "wrong"
    return None, "locked" if known["active"] else "inactive"


async def _open_session(
    connection: Connection, user_id: UUID, member: Any, cookie: str, must_enrol: bool
) -> None:
    await connection.execute(
        "insert into session (id_hash, user_id, practice_id, role, client_id, csrf, must_enrol)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        session_hash(cookie),
        user_id,
        member["practice_id"],
        member["role"],
        member["client_id"],
        secrets.token_urlsafe(32),
        must_enrol,
    )
    await note(connection, str(user_id), "log_in", practice_id=member["practice_id"])


async def _note_refusal(database: Database, known: Any | None, code: str) -> None:
    """Who was refused, by id; an address that is nobody's is not written down."""
    actor = "unknown" if known is None else str(known["id"])
    async with database.as_door() as connection:
        member = None if known is None else await connection.fetchrow(_MEMBERSHIP, known["id"])
        practice_id = None if member is None else member["practice_id"]
        await note(connection, actor, "log_in_refused", practice_id=practice_id, code=code)
        if known is not None and known["now_locked"]:
            await note(connection, actor, "account_locked", practice_id=practice_id)


def session_hash(cookie: str) -> bytes:
    """What the database knows a cookie by."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
