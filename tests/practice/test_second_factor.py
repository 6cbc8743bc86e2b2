"""The second factor: codes used once, recovery, lock-out, and who may take it away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pyotp
import pytest

from mentalspace.engine.db import Database, connect_owner
from mentalspace.engine.reseal import reseal
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import Refused
from mentalspace.practice.colleague import read_colleagues, reset_by_operator, reset_colleague
from mentalspace.practice.identity import (
    LogInRefused,
    Person,
    SecondFactorAsked,
    create_user,
    finish_log_in,
    log_in,
    person_of,
    require_password,
    session_hash,
)
from mentalspace.practice.second_factor import (
    SecondFactorRefused,
    enrol,
    offer_secret,
    recovery_hash,
    remove,
    renew_recovery_codes,
    second_factor_of,
    step_of,
)
from mentalspace.practice.tenancy import ensure_practice
from tests.conftest import MASTER_KEY

EMAIL = "dana@practice.example"
PASSWORD = "correct horse battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = datetime(2026, 11, 23, 12, 0, 10, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30


def code_at(secret: str, step: int) -> str:
    return pyotp.TOTP(secret).generate_otp(step)


@pytest.mark.parametrize(
    ("apart", "holds"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_code_holds_one_step_to_either_side(apart: int, holds: bool) -> None:
    """The device's clock may be half a minute off, and not more."""
    assert step_of(SECRET, code_at(SECRET, STEP + apart), NOW) == (STEP + apart if holds else None)


def test_a_step_is_used_once() -> None:
    """A code of a step already taken, or of one before it, is none; blanks in it do not matter."""
    code = code_at(SECRET, STEP)
    assert step_of(SECRET, f"{code[:3]} {code[3:]}", NOW, after=STEP - 1) == STEP
    assert step_of(SECRET, code, NOW, after=STEP) is None
    assert step_of(SECRET, code_at(SECRET, STEP - 1), NOW, after=STEP) is None


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238's own test vector gives its code, so that any authenticator app will do."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # source: RFC 6238, appendix B, in base32
    assert step_of(secret, "287082", datetime.fromtimestamp(59, UTC)) == 1


@pytest.mark.parametrize(
    "typed", ["ab12-cd34-ef56-gh78", "AB12CD34EF56GH78", " ab12 cd34-ef56 gh78 "]
)
def test_a_recovery_code_may_be_typed_in_any_way(typed: str) -> None:
    """Dashes, blanks and capitals do not matter; whose it is does."""
    whose = UUID(int=1)
    assert recovery_hash(whose, typed) == recovery_hash(whose, "ab12-cd34-ef56-gh78")
    assert recovery_hash(UUID(int=2), typed) != recovery_hash(whose, typed)


# With a database ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Desk:
    """Dana, who signs in; `at` is what her device and the house take for now."""

    database: Database
    vault: Vault
    admin: asyncpg.Connection[Any]
    practice_id: UUID
    user_id: UUID
    at: datetime = NOW
    secret: str = ""
    codes: tuple[str, ...] = ()

    async def log_in(self, *, required: bool = False) -> tuple[Person, str]:
        return await log_in(
            self.database, EMAIL, PASSWORD, demo_allowed=True, second_factor_required=required
        )

    async def ticket(self) -> str:
        with pytest.raises(SecondFactorAsked) as asked:
            await self.log_in()
        return asked.value.ticket

    async def enrol(self) -> str:
        """Set up the second factor; the cookie of the session it was done in."""
        person, cookie = await self.log_in()
        secret = await offer_secret(self.database, self.vault, self.user_id)
        assert secret is not None
        self.secret = secret
        self.codes = await enrol(
            self.database, self.vault, person, session_hash(cookie), self.code(), self.at
        )
        return cookie

    def code(self) -> str:
        """What the device shows; a while later it shows the next."""
        return code_at(self.secret, int(self.at.timestamp()) // 30)

    def wait(self, seconds: int = 30) -> None:
        self.at += timedelta(seconds=seconds)

    async def finish(self, code: str, ticket: str | None = None) -> Person:
        ticket = ticket or await self.ticket()
        person, _cookie = await finish_log_in(self.database, self.vault, ticket, code, self.at)
        return person

    async def refusal(self, code: str, ticket: str | None = None) -> str:
        with pytest.raises(SecondFactorRefused) as caught:
            await self.finish(code, ticket)
        return caught.value.code

    async def audited(self) -> list[str]:
        rows = await self.admin.fetch("select action from audit order by id")
        return [row["action"] for row in rows]


@pytest.fixture
async def desk(
    database: Database, admin: asyncpg.Connection[Any], vault: Vault
) -> AsyncIterator[Desk]:
    practice_id = await ensure_practice(admin, "hill", name="Hill Practice", timezone="UTC")
    user_id = await create_user(admin, EMAIL, "Dana Price", PASSWORD, [("front_desk", practice_id)])
    yield Desk(database, vault, admin, practice_id, user_id)


async def test_a_second_step_is_asked_for_once_enrolled(desk: Desk) -> None:
    """The password opens no session any more; with the device's code it does."""
    await desk.enrol()
    ticket = await desk.ticket()
    assert await person_of(desk.database, ticket) is None
    desk.wait()
    person = await desk.finish(desk.code(), ticket)
    assert (person.user_id, person.must_enrol) == (desk.user_id, False)
    assert await desk.audited() == ["log_in", "second_factor_enrolled", "log_in"]


async def test_a_code_opens_one_session(desk: Desk) -> None:
    """A code seen over a shoulder is worth nothing once it was used, even at the same moment."""
    await desk.enrol()
    desk.wait()
    tickets = [await desk.ticket() for _ in range(4)]
    results = await asyncio.gather(
        *(desk.finish(desk.code(), ticket) for ticket in tickets), return_exceptions=True
    )
    assert sum(isinstance(result, Person) for result in results) == 1
    assert await desk.refusal(desk.code()) == "wrong"


async def test_the_enrolment_needs_the_device(desk: Desk) -> None:
    """A wrong code puts nothing in force, and what is offered stays the same for a reload."""
    person, cookie = await desk.log_in()
    offered = await offer_secret(desk.database, desk.vault, desk.user_id)
    with pytest.raises(SecondFactorRefused):
        await enrol(desk.database, desk.vault, person, session_hash(cookie), "000000", NOW)
    assert await offer_secret(desk.database, desk.vault, desk.user_id) == offered
    assert await second_factor_of(desk.database, desk.user_id) is None
    await desk.enrol()
    assert await offer_secret(desk.database, desk.vault, desk.user_id) is None


async def test_secrets_do_not_lie_open(desk: Desk) -> None:
    """Neither the secret nor a recovery code can be read in the database."""
    await desk.enrol()
    factor = await desk.admin.fetchrow("select * from second_factor")
    kept = await desk.admin.fetch("select code_hash from recovery_code")
    assert desk.secret.encode() not in factor["secret"]
    assert len(kept) == len(set(desk.codes)) == 10
    assert all(code.encode() not in row["code_hash"] for code in desk.codes for row in kept)


async def test_it_outlives_the_master_key(desk: Desk, admin_url: str) -> None:
    """Sealed anew under another master key, the device's codes hold without the old one."""
    await desk.enrol()
    both = Vault(b"n" * 32, MASTER_KEY)
    async with connect_owner(admin_url) as owner:
        done = {
            result.sealed.column: result.renewed
            for result in await reseal(owner, both, lambda _result: None)
            if result.sealed.table == "second_factor"
        }
    assert done == {"secret": 1, "pending": 0}
    desk.vault = Vault(b"n" * 32)
    desk.wait()
    await desk.finish(desk.code())


async def test_other_sessions_end_with_the_enrolment(desk: Desk) -> None:
    """Whoever came in with the password alone is out; the session it was done in goes on."""
    _, elsewhere = await desk.log_in()
    here = await desk.enrol()
    assert await person_of(desk.database, elsewhere) is None
    assert await person_of(desk.database, here) is not None


async def test_a_recovery_code_works_once(desk: Desk) -> None:
    """Without the device each recovery code logs in once; new ones put the old out of force."""
    await desk.enrol()
    await desk.finish(desk.codes[0].upper())
    assert await desk.refusal(desk.codes[0]) == "wrong"
    person = await desk.finish(desk.codes[1])
    desk.wait()
    fresh = await renew_recovery_codes(desk.database, desk.vault, person, desk.code(), desk.at)
    assert await desk.refusal(desk.codes[2]) == "wrong"
    await desk.finish(fresh[0])
    factor = await second_factor_of(desk.database, desk.user_id)
    assert factor is not None
    assert factor.codes_left == 9
    assert (await desk.audited()).count("recovery_code_used") == 3


async def test_five_wrong_codes_lock_it(desk: Desk) -> None:
    """After five wrong codes even the right one and a recovery code are refused for 15 minutes."""
    await desk.enrol()
    desk.wait()
    ticket = await desk.ticket()
    assert [await desk.refusal("000000", ticket) for _ in range(5)] == ["wrong"] * 5
    assert await desk.refusal(desk.code(), ticket) == "locked"
    assert await desk.refusal(desk.codes[0]) == "locked"
    assert "second_factor_locked" in await desk.audited()
    await desk.admin.execute("update second_factor set locked_until = clock_timestamp()")
    await desk.finish(desk.code(), ticket)


async def test_the_right_password_does_not_forgive_wrong_codes(desk: Desk) -> None:
    """Beginning again with the password does not set the count of wrong codes back."""
    await desk.enrol()
    desk.wait()
    for _ in range(5):
        assert await desk.refusal("000000") == "wrong"
    assert await desk.refusal(desk.code()) == "locked"


async def test_a_ticket_ends(desk: Desk) -> None:
    """The half-way ticket works once, for ten minutes, and for nobody who made one up."""
    await desk.enrol()
    desk.wait()
    ticket = await desk.ticket()
    await desk.finish(desk.code(), ticket)
    desk.wait()
    assert await desk.refusal(desk.code(), ticket) == "expired"
    assert await desk.refusal(desk.code(), "made up") == "expired"
    late = await desk.ticket()
    await desk.admin.execute(
        "update half_log_in set created_at = created_at - interval '11 min' where ended_at is null"
    )
    assert await desk.refusal(desk.code(), late) == "expired"


async def test_where_it_is_required_nothing_else_is_open(desk: Desk) -> None:
    """Staff without one must enrol first; having done so they need not again."""
    person, cookie = await desk.log_in(required=True)
    assert person.must_enrol
    secret = await offer_secret(desk.database, desk.vault, desk.user_id)
    assert secret is not None
    await enrol(desk.database, desk.vault, person, session_hash(cookie), code_at(secret, STEP), NOW)
    after = await person_of(desk.database, cookie)
    assert after is not None
    assert not after.must_enrol


@pytest.mark.parametrize("required", [True, False])
async def test_it_is_taken_away_by_its_owner(desk: Desk, required: bool) -> None:
    """Afterwards the password alone logs in, or leads to a new enrolment where one is required."""
    cookie = await desk.enrol()
    person = await person_of(desk.database, cookie)
    assert person is not None
    with pytest.raises(LogInRefused):
        await require_password(desk.database, person, "not it at all")
    await require_password(desk.database, person, PASSWORD)
    await remove(desk.database, person, session_hash(cookie), required=required)
    again, _ = await desk.log_in(required=required)
    assert again.must_enrol is required
    own = await person_of(desk.database, cookie)
    assert own is not None
    assert own.must_enrol is required


async def test_an_administrator_resets_a_colleague(desk: Desk) -> None:
    """The colleague's sessions end and the next log-in needs no code; the audit names both."""
    cookie = await desk.enrol()
    boss = await _administrator(desk, desk.practice_id, "boss@practice.example")
    async with desk.database.as_user(boss.claims()) as connection:
        before = await read_colleagues(connection, desk.practice_id)
    assert {(row["name"], row["enrolled_at"] is not None) for row in before} == {
        ("Dana Price", True),
        ("Boss", False),
    }
    assert await reset_colleague(desk.database, boss, desk.user_id)
    assert await person_of(desk.database, cookie) is None
    person, _ = await desk.log_in()
    assert person.user_id == desk.user_id
    row = await desk.admin.fetchrow("select * from audit where action = 'second_factor_reset'")
    assert (row["actor"], row["subject"]) == (str(boss.user_id), str(desk.user_id))


async def test_who_may_not_reset_whom(desk: Desk, admin_url: str) -> None:
    """Nobody resets themselves, a stranger's colleague, or whoever also works elsewhere."""
    await desk.enrol()
    boss = await _administrator(desk, desk.practice_id, "boss@practice.example")
    other = await ensure_practice(desk.admin, "vale", name="Vale", timezone="UTC")
    stranger = await _administrator(desk, other, "stranger@vale.example")
    for who, whom, code in (
        (boss, boss.user_id, "own_second_factor"),
        (stranger, desk.user_id, "no_such_colleague"),
    ):
        with pytest.raises(Refused) as caught:
            await reset_colleague(desk.database, who, whom)
        assert caught.value.code == code
    await create_user(desk.admin, EMAIL, "Dana Price", PASSWORD, [("biller", other)])
    with pytest.raises(Refused, match="elsewhere"):
        await reset_colleague(desk.database, boss, desk.user_id)
    async with desk.database.as_user(stranger.claims()) as connection:
        seen = await read_colleagues(connection, desk.practice_id)
    assert seen == []
    assert await second_factor_of(desk.database, desk.user_id) is not None
    async with connect_owner(admin_url) as owner:
        assert await reset_by_operator(owner, EMAIL.upper(), "command line")
    assert (await desk.audited()).count("second_factor_reset") == 2  # in each of their practices


async def _administrator(desk: Desk, practice_id: UUID, email: str) -> Person:
    await create_user(desk.admin, email, "Boss", PASSWORD, [("administrator", practice_id)])
    person, _ = await log_in(desk.database, email, PASSWORD, demo_allowed=True)
    return person
