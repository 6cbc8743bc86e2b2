"""The master key: which one fits, what follows from it, and what never travels."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.engine.credentials import NewCredential, key_fits, save_credential
from mentalspace.engine.db.address import login_password, login_url, login_verifier
from mentalspace.engine.secrets import Vault
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.errors import Refused, SettingsError
from mentalspace.main import MentalSpace
from mentalspace.practice.tenancy import ensure_practice
from tests.conftest import MASTER_KEY

OTHER = b"o" * 32


def installation(admin_url: str, home: Path, key: bytes) -> MentalSpace:
    return MentalSpace(
        {
            "MENTALSPACE_HOME": str(home),
            "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(key).decode(),
            "DATABASE_URL": admin_url,
        }
    )


async def test_another_key_is_refused_before_it_changes_anything(
    admin_url: str, database_url: str, tmp_path: Path
) -> None:
    """Over a database that another key sealed nothing starts, and nobody is locked out."""
    await installation(admin_url, tmp_path, MASTER_KEY)._prepare(admin_url, lambda _line: None)
    with pytest.raises(SettingsError, match="MENTALSPACE_MASTER_KEY: another key"):
        await installation(admin_url, tmp_path, OTHER)._prepare(admin_url, lambda _line: None)
    await (await asyncpg.connect(database_url)).close()
    await installation(admin_url, tmp_path, MASTER_KEY)._prepare(admin_url, lambda _line: None)


async def test_any_key_fits_where_nothing_is_sealed(
    admin: asyncpg.Connection[Any], vault: Vault
) -> None:
    """A database without a credential takes any key; with one, only the one that sealed it."""
    assert await key_fits(admin, Vault(OTHER))
    practice_id = await ensure_practice(admin, "a", name="A", timezone="UTC")
    provider = discover_rooms()["email"].providers[0]
    new = NewCredential(practice_id, "email", "a", "https://api.example", True, {"api_key": "k"})
    await save_credential(admin, vault, provider, new)
    assert await key_fits(admin, vault)
    assert not await key_fits(admin, Vault(OTHER))


@pytest.mark.parametrize("base_url", ["http://api.example", "ftp://api.example", "api.example"])
async def test_a_live_provider_is_reached_by_https(
    admin: asyncpg.Connection[Any], vault: Vault, base_url: str
) -> None:
    """What would carry clients' addresses in the clear is not stored."""
    practice_id = await ensure_practice(admin, "a", name="A", timezone="UTC")
    provider = discover_rooms()["email"].providers[0]
    with pytest.raises(Refused, match="https"):
        await save_credential(
            admin, vault, provider, NewCredential(practice_id, "email", "a", base_url, True, {})
        )
    assert await admin.fetchval("select count(*) from credential") == 0


async def test_an_endpoint_keeps_its_owner(admin: asyncpg.Connection[Any], vault: Vault) -> None:
    """Another practice's or another provider's credential does not replace what has the name."""
    [a, b] = [await ensure_practice(admin, s, name=s, timezone="UTC") for s in "ab"]
    provider = discover_rooms()["email"].providers[0]
    new = NewCredential(a, "email", "a", "https://api.example", True, {"api_key": "k"})
    await save_credential(admin, vault, provider, new)
    for stranger, whose in ((provider, b), (replace(provider, name="other"), a)):
        with pytest.raises(Refused, match="somebody else's"):
            await save_credential(admin, vault, stranger, replace(new, practice_id=whose))
    await save_credential(admin, vault, provider, new)
    assert await admin.fetchval("select version from credential") == 2


async def test_the_log_ins_password_is_not_in_a_statement(
    admin: asyncpg.Connection[Any], admin_url: str
) -> None:
    """What is sent lets in whoever has the password, and does not tell it."""
    password = login_password(MASTER_KEY)
    assert password not in login_verifier(MASTER_KEY)
    assert login_verifier(MASTER_KEY) != login_verifier(MASTER_KEY)
    role = "verified"
    await admin.execute(f"create role {role} login password '{login_verifier(MASTER_KEY)}'")
    try:
        url = login_url(admin_url, MASTER_KEY).replace("mentalspace_login", role)
        await (await asyncpg.connect(url)).close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.replace(password, password[::-1]))
    finally:
        await admin.execute(f"drop role {role}")
