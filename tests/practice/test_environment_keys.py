"""The environment's own keys serve the default practice."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.secrets import Vault
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import Settings, load_settings
from mentalspace.practice.tenancy import adopt_environment, ensure_practice

Admin: TypeAlias = "asyncpg.Connection[Any]"
KEYS = {"RESEND_API_KEY": "re_one", "RESEND_WEBHOOK_SECRET": "whsec_one"}


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
        "select base_url, live, version, secrets from credential where endpoint = 'default'"
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


async def test_production_speaks_to_the_provider_itself(
    admin: Admin, vault: Vault, tmp_path: Path
) -> None:
    """The same keys lead to the sandbox in a demo, and to Resend in production."""
    demo = await adopt(admin, vault, settings(tmp_path, **KEYS))
    assert (demo["base_url"], demo["live"]) == ("http://127.0.0.1:8081/email/resend", False)
    live = await adopt(admin, vault, production(tmp_path, **KEYS))
    assert (live["base_url"], live["live"]) == ("https://api.resend.com", True)


async def test_half_a_credential_is_a_mistake(admin: Admin, vault: Vault, tmp_path: Path) -> None:
    """A key without its webhook secret is refused, and the missing name is said."""
    with pytest.raises(SettingsError, match="RESEND_WEBHOOK_SECRET"):
        await adopt(admin, vault, settings(tmp_path, RESEND_API_KEY="re_one"))
