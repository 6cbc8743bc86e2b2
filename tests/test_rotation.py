"""Keys change while the work goes on: nothing sealed, signed or waiting is lost over it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mentalspace.engine.db import connect_owner
from mentalspace.engine.db.address import LOGIN, login_verifier
from mentalspace.engine.reseal import SEALED, Resealed, reseal
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.engine.signing import SignatureBroken, Signer, derive_keys
from mentalspace.practice.token import TokenRefused, mint_token, person_of_token
from tests.conftest import MASTER_KEY
from tests.house import free_ports, running_house, stored_secrets, until

NEW_KEY = b"n" * 32


@pytest.fixture
async def log_in_restored(admin: asyncpg.Connection[Any]) -> AsyncIterator[None]:
    """The log-in role is the whole server's: other tests need the password it had."""
    yield
    verifier = login_verifier(MASTER_KEY)
    await admin.execute(f"alter role {LOGIN} password '{verifier}'")


# What is bytes without being sealed.
_PLAIN_BYTES = {
    "session.id_hash", "recipient_key.sealed", "audit.hash", "audit.previous", "audit_head.hash",
    "recovery_code.code_hash", "half_log_in.id_hash", "access_token.token_hash",
    "one_time_code.attempt_hash", "one_time_code.code_tag", "attempt_limit.key_hash",
    # wrapped under what storage.key seals
    "storage.file.locked", "storage.archived.locked", "storage.upload.locked",
}  # fmt: skip
_BYTES = """
select case n.nspname when 'storage' then 'storage.' else '' end || c.relname || '.' || a.attname
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
 where n.nspname in ('public', 'app', 'storage') and c.relkind = 'r'
   and a.atttypid = 'bytea'::regtype and c.relname not like 'pgqueuer%' and not a.attisdropped
"""


def nameless(key: bytes, practice_id: Any, purpose: str, plain: bytes) -> bytes:
    """A seal as it was made before keys had names."""
    context = b"mentalspace|" + practice_id.bytes + b"|" + purpose.encode()
    cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=context).derive(key))
    return b"\x01" + bytes(12) + cipher.encrypt(bytes(12), plain, context)


def test_the_key_before_still_opens() -> None:
    """What the old key sealed, named or not, opens beside the new one, and with neither alone."""
    practice_id = uuid4()
    both, new = Vault(NEW_KEY, MASTER_KEY), Vault(NEW_KEY)
    for sealed in (
        Vault(MASTER_KEY).seal(practice_id, "delivery", b"words"),
        nameless(MASTER_KEY, practice_id, "delivery", b"words"),
    ):
        assert both.open(practice_id, "delivery", sealed) == b"words"
        with pytest.raises(SealBroken):
            new.open(practice_id, "delivery", sealed)
    assert both.seal(practice_id, "delivery", b"words").startswith(new.mark)


def test_a_token_outlives_the_secret_that_signed_it() -> None:
    """Signed with the secret before, a token holds; with one before that, it does not."""
    token = mint_token("a" * 40, user_id=uuid4(), role="oncall")
    assert person_of_token("b" * 40, token, before="a" * 40).role == "oncall"
    for before in (None, "c" * 40):
        with pytest.raises(TokenRefused):
            person_of_token("b" * 40, token, before=before)


def test_a_link_outlives_the_master_key() -> None:
    """Signed under the master key before, a link opens beside today's, and not without it."""
    ends = datetime(2031, 1, 1, tzinfo=UTC)
    old, new = derive_keys(MASTER_KEY, ["k1"]), derive_keys(NEW_KEY, ["k1"])
    link = Signer(old).sign("confirm", b"it", ends)
    assert Signer([*new, *old]).open("confirm", link).body == b"it"
    with pytest.raises(SignatureBroken):
        Signer(new).open("confirm", link)


async def test_every_sealed_column_is_known(admin: asyncpg.Connection[Any]) -> None:
    """Whatever column holds bytes is sealed anew by a rotation, or is known to be a hash."""
    found = {row[0] for row in await admin.fetch(_BYTES)}
    assert found == _PLAIN_BYTES | {f"{s.table}.{s.column}" for s in SEALED}


@pytest.mark.usefixtures("log_in_restored")
async def test_mails_written_under_the_old_key_leave_under_the_new(
    admin_url: str, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    """A mail waits while the key changes; the house under the new key sends it, everything is
    sealed anew, and the old key is needed no more; people are known by their old hashes."""
    port = {"MENTALSPACE_PORT": str(free_ports())}
    before = {"MENTALSPACE_MASTER_KEY_BEFORE": base64.urlsafe_b64encode(MASTER_KEY).decode()}
    async with running_house(admin_url, MASTER_KEY, tmp_path, **port) as house:
        await admin.execute("update lane set state = 'paused'")
        booked = await house.book("waits@demo.example")
        old = await stored_secrets(house)
    async with running_house(admin_url, NEW_KEY, tmp_path, **port, **before) as house:
        assert await stored_secrets(house) == old
        await admin.execute("update lane set state = 'open'")
        await until(lambda: _accepted(admin, booked.appointment_id))
        said: list[Resealed] = []
        async with connect_owner(admin_url) as owner:
            await reseal(owner, house.services.vault, said.append)
            again = await reseal(owner, house.services.vault, said.append)
        assert sum(result.renewed for result in said) >= 3
        assert sum(result.renewed + result.unreadable for result in again) == 0
    async with running_house(admin_url, NEW_KEY, tmp_path, **port) as house:
        assert await stored_secrets(house) == old
        key = house.services.vault.recipient_key(house.practice_id, "waits@demo.example")
        assert key == Vault(MASTER_KEY).recipient_key(house.practice_id, "waits@demo.example")
        later = await house.book("later@demo.example", external_id="a-2")
        await until(lambda: _accepted(admin, later.appointment_id))


async def _accepted(admin: asyncpg.Connection[Any], appointment_id: UUID) -> bool:
    return bool(
        await admin.fetchval(
            "select bool_and(status in ('accepted', 'delivered')) from delivery"
            " where subject_id = $1",
            appointment_id,
        )
    )
