"""Log-in, lock-out, sessions, tokens, and what each role may do."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest

from mentalspace.engine.db import Database
from mentalspace.practice.identity import (
    LogInRefused,
    Person,
    create_user,
    csrf_holds,
    end_demo_sessions,
    log_in,
    log_out,
    person_of,
)
from mentalspace.practice.person import PERMISSIONS, ROLES
from mentalspace.practice.tenancy import ensure_practice
from mentalspace.practice.token import TokenRefused, mint_token, person_of_token

EMAIL = "dana@practice.example"
PASSWORD = "correct horse battery"
WRONG = "not it at all"
SECRET = "s" * 40


@dataclass(frozen=True, slots=True)
class Staff:
    database: Database
    admin: asyncpg.Connection[Any]
    user_id: UUID
    practice_id: UUID

    async def log_in(self, password: str = PASSWORD, email: str = EMAIL) -> tuple[Person, str]:
        return await log_in(self.database, email, password, demo_allowed=True)

    async def refusal(self, password: str = WRONG, email: str = EMAIL) -> str:
        with pytest.raises(LogInRefused) as caught:
            await self.log_in(password, email)
        return caught.value.code

    async def audited(self) -> list[tuple[str, str]]:
        rows = await self.admin.fetch("select actor, action from audit order by id")
        return [(row["actor"], row["action"]) for row in rows]


@pytest.fixture
async def staff(database: Database, admin: asyncpg.Connection[Any]) -> AsyncIterator[Staff]:
    practice_id = await ensure_practice(admin, "hill", name="Hill Practice", timezone="UTC")
    user_id = await create_user(admin, EMAIL, "Dana Price", PASSWORD, [("front_desk", practice_id)])
    yield Staff(database, admin, user_id, practice_id)


async def test_log_in_gives_a_session(staff: Staff) -> None:
    """The right password opens a session that says who, in which role, at which practice."""
    person, cookie = await staff.log_in(email=EMAIL.upper())
    assert await person_of(staff.database, cookie) == person
    assert (person.name, person.role, person.practice_name) == (
        "Dana Price",
        "front_desk",
        "Hill Practice",
    )
    assert person.claims() == {
        "sub": str(staff.user_id),
        "role": "authenticated",
        "practice": str(staff.practice_id),
        "practice_role": "front_desk",
        "client": None,
    }
    assert EMAIL not in repr(person)
    assert person.csrf not in repr(person)


async def test_the_cookie_is_not_in_the_database(staff: Staff) -> None:
    """Whoever reads the session table cannot use what stands there."""
    _, cookie = await staff.log_in()
    row = await staff.admin.fetchrow("select * from session")
    assert row is not None
    assert cookie.encode() not in repr(dict(row)).encode()
    assert await person_of(staff.database, row["id_hash"].hex()) is None


async def test_log_out_ends_the_session(staff: Staff) -> None:
    """After log-out the cookie opens nothing, and doing it again is no mistake."""
    _, cookie = await staff.log_in()
    await log_out(staff.database, cookie)
    await log_out(staff.database, cookie)
    assert await person_of(staff.database, cookie) is None
    actions = [action for _, action in await staff.audited()]
    assert actions == ["log_in", "log_out"]


async def test_a_demos_sessions_end_and_nobody_elses(staff: Staff) -> None:
    """Where a demo becomes a production, its people are logged out and the others stay."""
    ours = (await staff.log_in())[1]
    demo = "Visitor@Demo.Example"
    await create_user(staff.admin, demo, "V", PASSWORD, [("biller", staff.practice_id)])
    theirs = (await staff.log_in(email=demo))[1]
    await end_demo_sessions(staff.admin)
    assert await person_of(staff.database, theirs) is None
    assert await person_of(staff.database, ours) is not None


async def test_five_failures_lock_the_account(staff: Staff) -> None:
    """Five wrong passwords lock even the right one out, for fifteen minutes, then not longer."""
    assert [await staff.refusal() for _ in range(5)] == ["wrong"] * 5
    assert await staff.refusal(PASSWORD) == "locked"
    left = await staff.admin.fetchval("select locked_until - clock_timestamp() from app_user")
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    assert (str(staff.user_id), "account_locked") in await staff.audited()
    await staff.admin.execute("update app_user set locked_until = clock_timestamp()")
    await staff.log_in()
    assert await staff.admin.fetchval("select failed_logins from app_user") == 0


async def test_success_forgets_failures(staff: Staff) -> None:
    """Only failures in a row count."""
    for _ in range(2):
        for _ in range(4):
            await staff.refusal()
        await staff.log_in()


async def test_tries_side_by_side_are_all_counted(staff: Staff) -> None:
    """Twenty guesses at once are no way around the five."""
    codes = await asyncio.gather(*(staff.refusal() for _ in range(20)))
    assert codes.count("wrong") == 5
    assert codes.count("locked") == 15


@pytest.mark.usefixtures("passwords_at_their_price")
async def test_a_refusal_does_not_tell_who_is_known(staff: Staff) -> None:
    """An unknown address gets the words of a wrong password, about as late, and no audit name."""
    texts: set[str] = set()
    known_s: list[float] = []
    unknown_s: list[float] = []
    for number in range(4):
        for email, seconds in ((EMAIL, known_s), (f"nobody{number}@practice.example", unknown_s)):
            began = time.perf_counter()
            with pytest.raises(LogInRefused) as caught:
                await staff.log_in(WRONG, email)
            seconds.append(time.perf_counter() - began)
            texts.add(str(caught.value))
    assert len(texts) == 1
    assert 0.5 < statistics.median(known_s) / statistics.median(unknown_s) < 2
    audit = await staff.admin.fetch("select * from audit")
    assert "practice.example" not in repr([dict(row) for row in audit])


async def test_closed_and_homeless_accounts_stay_out(staff: Staff) -> None:
    """A closed account is refused, so is one of no practice; a role taken away ends sessions."""
    _, cookie = await staff.log_in()
    await staff.admin.execute("update app_user set active = false")
    assert await staff.refusal(PASSWORD) == "inactive"
    assert await person_of(staff.database, cookie) is None
    await staff.admin.execute("update app_user set active = true")
    assert await person_of(staff.database, cookie) is not None
    await staff.admin.execute("update membership set role = 'biller'")
    assert await person_of(staff.database, cookie) is None
    await staff.admin.execute("delete from membership")
    assert await person_of(staff.database, cookie) is None
    assert await staff.refusal(PASSWORD) == "inactive"


async def test_production_keeps_the_demo_out(staff: Staff) -> None:
    """The demo's people are refused in production although their rows are there."""
    await create_user(
        staff.admin, "admin@demo.example", "Ada", PASSWORD, [("administrator", staff.practice_id)]
    )
    await staff.log_in(email="admin@demo.example")
    with pytest.raises(LogInRefused):
        await log_in(staff.database, "admin@demo.example", PASSWORD, demo_allowed=False)


@pytest.mark.parametrize(
    "aged", ["seen_at = seen_at - interval '31 min'", "created_at = created_at - interval '13 h'"]
)
async def test_sessions_end_by_themselves(staff: Staff, aged: str) -> None:
    """Half an hour untouched ends a session, and so do twelve hours of use."""
    _, cookie = await staff.log_in()
    await staff.admin.execute(f"update session set {aged}")
    assert await person_of(staff.database, cookie) is None


async def test_use_keeps_a_session_alive(staff: Staff) -> None:
    """A visit is noted when the last was over a minute ago, and not at every request."""
    _, cookie = await staff.log_in()
    first = await staff.admin.fetchval("select seen_at from session")
    await person_of(staff.database, cookie)
    assert await staff.admin.fetchval("select seen_at from session") == first
    await staff.admin.execute("update session set seen_at = seen_at - interval '29 min'")
    await person_of(staff.database, cookie)
    assert await staff.admin.fetchval("select seen_at from session") > first


async def test_creating_a_user_again_changes_nothing(staff: Staff) -> None:
    """A second start keeps ids, memberships and passwords, unless told to renew them."""
    again = await create_user(
        staff.admin, EMAIL, "Dana Price", "another one", [("front_desk", staff.practice_id)]
    )
    assert again == staff.user_id
    await staff.log_in(PASSWORD)
    await create_user(staff.admin, EMAIL, "Dana Price", "another one", [], renew_password=True)
    await staff.log_in("another one")
    assert await staff.admin.fetchval("select count(*) from membership") == 1


@pytest.mark.parametrize(
    ("email", "password"),
    [("", ""), ("a\x00b", "x"), (EMAIL, "x" * 100_000), (EMAIL, "\ud800"), ("\ud800", "x")],
)
async def test_odd_input_is_only_wrong(staff: Staff, email: str, password: str) -> None:
    """Empty, enormous or broken input is refused like any wrong password."""
    assert await staff.refusal(password, email) == "wrong"


async def test_csrf_token(staff: Staff) -> None:
    """A form must carry its own session's token; a person by token has none that holds."""
    person, _ = await staff.log_in()
    other, _ = await staff.log_in()
    assert csrf_holds(person, person.csrf)
    assert not any(csrf_holds(person, given) for given in (None, "", other.csrf, "é\ud800"))
    token = mint_token(SECRET, user_id=uuid4(), role="oncall")
    assert not csrf_holds(person_of_token(SECRET, token), "")


def test_a_token_says_who(staff_ids: tuple[UUID, UUID]) -> None:
    """A token carries Supabase's claims, and the person comes back as they were put in."""
    user_id, practice_id = staff_ids
    token = mint_token(SECRET, user_id=user_id, role="clinician", practice_id=practice_id)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="authenticated")
    assert claims["role"] == "authenticated"
    person = person_of_token(SECRET, token)
    assert (person.user_id, person.role, person.practice_id) == (user_id, "clinician", practice_id)
    assert claims.items() >= person.claims().items()


def test_bent_tokens_are_refused(staff_ids: tuple[UUID, UUID]) -> None:
    """Another key, no signature, other claims, or an hour that has passed: each has its code."""
    user_id, practice_id = staff_ids
    good = mint_token(SECRET, user_id=user_id, role="clinician", practice_id=practice_id)
    claims = jwt.decode(good, SECRET, algorithms=["HS256"], audience="authenticated")

    def code(token: str) -> str:
        with pytest.raises(TokenRefused) as caught:
            person_of_token(SECRET, token)
        return caught.value.code

    def forged(**changes: Any) -> str:
        return jwt.encode({**claims, **changes}, SECRET, algorithm="HS256")

    old = mint_token(SECRET, user_id=user_id, role="oncall", lifetime=timedelta(seconds=-1))
    assert code(old) == "token_expired"
    for bent in (
        "",
        "a.b.c",
        jwt.encode(claims, "z" * 40, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        forged(aud="anon"),
        forged(role="service_role"),
        forged(practice_role="owner"),
        forged(practice=None),
        forged(practice=7),
        forged(client="no id"),
        forged(practice_role="client"),
        forged(sub="me"),
    ):
        assert code(bent) == "token_invalid"


def test_a_token_needs_its_practice() -> None:
    """Nobody mints a clinician without a practice, or a client who is nobody."""
    for role, practice_id in (("clinician", None), ("oncall", uuid4()), ("client", uuid4())):
        with pytest.raises(ValueError, match=r"practice|client"):
            mint_token(SECRET, user_id=uuid4(), role=role, practice_id=practice_id)  # type: ignore[arg-type]


@pytest.fixture
def staff_ids() -> tuple[UUID, UUID]:
    return uuid4(), uuid4()


# Read as a person would: who may do what. A change of the table must be made here as well.
MATRIX = """
                    administrator clinician biller front_desk client oncall
agreements.read     x             -         -      -          -      x
agreements.write    x             -         -      -          -      -
appointments.read   x             x         x      x          x      -
appointments.write  x             x         -      x          -      -
audit.read          x             -         -      -          -      x
clients.read        x             x         x      x          -      -
clients.write       x             x         -      x          -      -
consent.write       x             x         -      x          -      -
credentials.write   x             -         -      -          -      -
deliveries.decide   x             x         -      x          -      x
deliveries.read     x             x         x      x          x      x
drills.run          x             -         -      -          -      x
imports.write       x             -         -      x          -      -
incidents.act       -             -         -      -          -      x
incidents.read      x             -         -      -          -      x
mails.preview       x             -         -      x          -      -
morning.read        x             -         -      x          -      -
oncall.write        -             -         -      -          -      x
payloads.open       x             -         -      -          -      x
people.write        x             -         -      -          -      -
reminders.read      x             x         -      x          -      -
reminders.write     x             -         -      -          -      -
runbooks.read       x             x         x      x          -      x
sandbox.use         x             x         x      x          -      x
tasks.read          x             x         x      x          -      -
tasks.write         x             x         x      x          -      -
texts.read          x             x         -      x          -      -
texts.write         x             x         -      x          -      -
"""


def test_role_matrix() -> None:
    """Each role has exactly the permissions of the table above."""
    head, *lines = MATRIX.strip("\n").splitlines()
    roles = head.split()
    allowed: dict[str, set[str]] = {role: set() for role in roles}
    for permission, *marks in map(str.split, lines):
        for role, mark in zip(roles, marks, strict=True):
            if mark == "x":
                allowed[role].add(permission)
    assert set(roles) == set(ROLES)
    assert {role: set(granted) for role, granted in PERMISSIONS.items()} == allowed
