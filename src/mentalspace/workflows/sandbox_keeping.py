"""Keeps the sandbox in step with the demo: the same clock, and our credentials as its customers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aiohttp

from mentalspace.emulator.accounts import account_id
from mentalspace.engine.services import Services
from mentalspace.kernel.integration import Provider
from mentalspace.practice.tenancy import sandbox_address
from mentalspace.workflows.demo_texts import DEMO_OPTIONS

CALL_WITHIN_S = 10.0
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class SandboxAway(OSError):
    """The sandbox does not answer, or not as expected."""


async def call_sandbox(
    services: Services, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    """One call to the sandbox's control API; its JSON. Raises SandboxAway."""
    url = f"{services.settings.sandbox_url}/_control{path}"
    try:
        async with (
            asyncio.timeout(CALL_WITHIN_S),
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body) as response,
        ):
            if response.status >= 400:
                raise SandboxAway(f"the sandbox answered {response.status} to {method} {path}")
            return await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SandboxAway(
            f"the sandbox does not answer at {services.settings.sandbox_url}"
        ) from error


async def register_account(
    services: Services,
    room: str,
    provider: Provider,
    endpoint: str,
    secrets: dict[str, str],
    options: Mapping[str, Any] = NO_OPTIONS,
) -> str:
    """Make our credential a customer of the sandbox, where these `options` hold for it; the
    account's public id."""
    site = f"http://127.0.0.1:{services.settings.port}"
    # We tell a provider our public address; a sandbox posts to it without leaving the machine.
    ours = {"site_url": services.settings.site_url, "reached_at": site}
    body: dict[str, Any] = {
        "api_key": provider.customer(secrets),
        "options": dict(options),
        "profile": {**provider.profile(secrets), **ours},
    }
    if provider.calls_back:
        body["webhook_secret"] = provider.signing_secret(secrets)
        body["webhook_url"] = f"{site}/v1/hooks/{room}/{endpoint}"
    account = await call_sandbox(services, "PUT", f"/accounts/{room}/{provider.name}", body)
    return str(account["id"])


async def keep_sandbox(services: Services) -> None:
    """Set its clock if it went astray, and register whoever it does not know."""
    clock = await call_sandbox(services, "GET", "/clock")
    offset_s = services.clock.offset.total_seconds()
    if abs(clock["offset_s"] - offset_s) > 0.5:
        await call_sandbox(services, "PUT", "/clock", {"offset_s": offset_s})
    accounts = await call_sandbox(services, "GET", "/accounts")
    # A key that was revoked there stays revoked: that is how a provider behaves, too.
    known = {key for account in accounts for key in (*account["keys"], *account["revoked_keys"])}
    for row in await _sandboxed(services):
        room, endpoint = row["integration"], row["endpoint"]
        provider = services.rooms[room].provider(row["provider"])
        if row["base_url"] != sandbox_address(room, provider, services.settings):
            continue
        sealed = services.vault.open(row["practice_id"], "credential", row["secrets"])
        secrets = json.loads(sealed)
        if account_id(room, provider.name, provider.customer(secrets)) not in known:
            options = DEMO_OPTIONS.get((room, provider.name), NO_OPTIONS)
            await register_account(services, room, provider, endpoint, secrets, options)


async def _sandboxed(services: Services) -> list[Any]:
    async with services.database.as_door() as connection:
        rows: list[Any] = await connection.fetch(
            "select practice_id, integration, provider, endpoint, base_url, secrets"
            " from credential where active and drill is null and not live"
            " and integration = any($1)",
            list(services.rooms),
        )
        return rows
