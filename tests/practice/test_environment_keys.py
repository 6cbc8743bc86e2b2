"""The environment's own keys serve the default practice."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.credentials import read_secrets, set_test_only
from mentalspace.engine.db import connect_owner
from mentalspace.engine.secrets import Vault
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import Settings, load_settings
from mentalspace.practice.tenancy import adopt_environment, ensure_practice

Admin: TypeAlias = "asyncpg.Connection[Any]"
KEYS = {"RESEND_API_KEY": "re_one", "RESEND_WEBHOOK_SECRET": "whsec_one"}


@pytest.fixture
async def admin(admin_url: str) -> AsyncIterator[Admin]:
    """As a start of the house has it: what is set is written into the audit."""
    async with connect_owner(admin_url) as owner:
        yield owner


def settings(home: Path, **environment: str) -> Settings:
    return load_settings({"MENTALSPACE_HOME": str(home), **environment})


def production(home: Path, **environment: str) -> Settings:
    return settings(
        home,
        MENTALSPACE_ENV="production",
        MENTALSPACE_MASTER_KEY=base64.urlsafe_b64encode(b"t" * 32).decode(),
        MENTALSPACE_JWT_SECRET="s" * 32,
        MENTALSPACE_PAGE_ONCALL="json://127.0.0.1:1",
        DATABASE_URL="postgresql://127.0.0.1/mentalspace",
        SITE_URL="https://practice.example",
        **environment,
    )


async def practice(admin: Admin) -> UUID:
    return await ensure_practice(admin, "first", name="First", timezone="UTC", is_default=True)


async def adopt(admin: Admin, vault: Vault, given: Settings) -> dict[str, Any]:
    """Take over what is set; the default endpoint's row afterwards."""
    await adopt_environment(admin, vault, discover_rooms(), given, await practice(admin))
    row = await admin.fetchrow(
        "select base_url, live, version, secrets, test_only from credential"
        " where endpoint = 'default'"
    )
    assert row is not None
    return dict(row)


async def test_the_environments_key_serves_the_default_practice(
    admin: Admin, vault: Vault, tmp_path: Path
) -> None:
    """A key of the environment is kept encrypted; another one is a rotation, the same is not."""
    row = await adopt(admin, vault, settings(tmp_path, **KEYS))
    assert b"re_one" not in row["secrets"]
    assert await read_secrets(admin, vault, "email", "default") == {
        "api_key": "re_one",
        "webhook_secret": "whsec_one",
    }
    assert (await adopt(admin, vault, settings(tmp_path, **KEYS)))["version"] == 1
    rotated = settings(tmp_path, **{**KEYS, "RESEND_API_KEY": "re_two"})
    assert (await adopt(admin, vault, rotated))["version"] == 2


async def test_twilios_names_serve_it_as_well(admin: Admin, vault: Vault, tmp_path: Path) -> None:
    """The seed's three, and a messaging service where there is one; production's own address."""
    keys = {
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_PHONE_NUMBER": "+15555551234",
    }
    live = await adopt(admin, vault, production(tmp_path, **keys))
    assert (live["base_url"], live["live"]) == ("https://api.twilio.com", True)
    kept = await read_secrets(admin, vault, "sms", "default")
    assert kept is not None
    assert {name: value for name, value in kept.items() if value} == {
        "account_sid": "AC1",
        "auth_token": "token",
        "phone_number": "+15555551234",
    }
    given = production(tmp_path, **keys, TWILIO_MESSAGING_SERVICE_SID="MG1")
    await adopt(admin, vault, given)
    kept = await read_secrets(admin, vault, "sms", "default")
    assert kept is not None
    assert kept["messaging_service_sid"] == "MG1"


async def test_production_speaks_to_the_provider_itself(
    admin: Admin, vault: Vault, tmp_path: Path
) -> None:
    """The same keys lead to the sandbox in a demo, and to Resend in production."""
    demo = await adopt(admin, vault, settings(tmp_path, **KEYS))
    assert (demo["base_url"], demo["live"]) == ("http://127.0.0.1:8081/email/resend", False)
    live = await adopt(admin, vault, production(tmp_path, **KEYS))
    assert (live["base_url"], live["live"]) == ("https://api.resend.com", True)


async def test_a_new_live_key_outside_production_is_for_tests(
    admin: Admin, vault: Vault, tmp_path: Path
) -> None:
    """It reaches test recipients only, until a person says otherwise; a rotation keeps their word,
    and production's is for everybody."""
    trying = {**KEYS, "RESEND_BASE_URL": "https://api.resend.example"}
    assert (await adopt(admin, vault, settings(tmp_path, **trying)))["test_only"] is True
    await set_test_only(admin, "email", "default", False)
    rotated = {**trying, "RESEND_API_KEY": "re_two"}
    assert (await adopt(admin, vault, settings(tmp_path, **rotated)))["test_only"] is False
    assert (await adopt(admin, vault, production(tmp_path, **KEYS)))["test_only"] is False


async def test_a_test_key_is_for_tests_and_never_live(
    admin: Admin, vault: Vault, tmp_path: Path
) -> None:
    """A key that begins with `test_` serves a demo's sandbox; Resend and production refuse it."""
    test = {**KEYS, "RESEND_API_KEY": "test_one"}
    row = await adopt(admin, vault, settings(tmp_path, **test))
    assert (row["test_only"], row["live"]) == (True, False)
    with pytest.raises(SettingsError, match="RESEND_API_KEY: Resend itself knows no test key"):
        await adopt(
            admin, vault, settings(tmp_path, **test, RESEND_BASE_URL="https://api.resend.example")
        )
    with pytest.raises(SettingsError, match="RESEND_API_KEY: a test key reaches nobody"):
        await adopt(admin, vault, production(tmp_path, **test))
    assert (await adopt(admin, vault, settings(tmp_path, **KEYS)))["test_only"] is False


async def test_half_a_credential_is_a_mistake(admin: Admin, vault: Vault, tmp_path: Path) -> None:
    """A key without its webhook secret is refused, and the missing name is said."""
    with pytest.raises(SettingsError, match="RESEND_WEBHOOK_SECRET"):
        await adopt(admin, vault, settings(tmp_path, RESEND_API_KEY="re_one"))
