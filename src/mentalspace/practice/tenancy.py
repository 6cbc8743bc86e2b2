"""Practices and their credentials, put in place by the owner at start-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from mentalspace.engine.credentials import NewCredential, read_secrets, save_credential
from mentalspace.engine.former import Differs, InUse, differs, read_in_use
from mentalspace.engine.ledger import record
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.integration import Integration, Provider
from mentalspace.kernel.settings import Settings
from mentalspace.practice.audit import note

Owner: TypeAlias = "asyncpg.Connection[Any]"
# Whoever enters what stands in the settings of a host, at its start.
SETTINGS = "settings"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


async def ensure_practice(
    owner: Owner,
    slug: str,
    *,
    name: str,
    timezone: str,
    phone: str | None = None,
    is_default: bool = False,
    is_drill: bool = False,
) -> UUID:
    """The practice's id; made if it was missing, otherwise left as it is."""
    await owner.execute(
        "insert into practice (slug, name, timezone, phone, is_default, is_drill)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (slug) do nothing",
        slug,
        name,
        timezone,
        phone,
        is_default,
        is_drill,
    )
    practice_id: UUID = await owner.fetchval("select id from practice where slug = $1", slug)
    return practice_id


async def adopt_environment(
    owner: Owner,
    vault: Vault,
    rooms: Mapping[str, Integration],
    settings: Settings,
    practice_id: UUID,
) -> list[str]:
    """Let the environment's own keys serve as the default practice's; the rooms that have some.

    A key given again changes nothing; another one is a rotation. Raises SettingsError when
    only some of a provider's names are set: half a credential is a mistake, not a choice; and
    for a key that is for tests where people are to be reached.
    """
    adopted = []
    for room in rooms.values():
        for provider in room.providers:
            secrets = _from_environment(provider, settings.environment)
            if secrets is None:
                continue
            base_url = base_url_of(room.name, provider, settings)
            _refuse_test_key(provider, secrets, base_url, settings)
            new = NewCredential(
                practice_id,
                room.name,
                endpoint_of(None, room, provider),
                base_url,
                is_live(base_url),
                secrets,
                rank=rank_of(room, provider),
            )
            await _save_if_changed(owner, vault, provider, new, settings)
            adopted.append(room.name)
    return adopted


async def _save_if_changed(
    owner: Owner, vault: Vault, provider: Provider, new: NewCredential, settings: Settings
) -> None:
    known = await read_secrets(owner, vault, new.integration, new.endpoint)
    base_url = await owner.fetchval(
        "select base_url from credential where integration = $1 and endpoint = $2",
        new.integration,
        new.endpoint,
    )
    if known != dict(new.secrets) or base_url != new.base_url:
        await store(owner, vault, provider, new, settings)


async def store(
    owner: Owner,
    vault: Vault,
    provider: Provider,
    new: NewCredential,
    settings: Settings,
    *,
    actor: str = SETTINGS,
    name: str | None = None,
    why: str = "",
) -> UUID:
    """Save it, and say in the practice's audit and beside its lanes who entered what, and never
    the secret. `actor` is for the audit, `name` for people. Whoever brings a former one back says
    `why`, and tells of it themselves.

    Rotated at its old address it stays for tests, or for everybody, as it was; a new live one
    outside production reaches test recipients only, until a person says otherwise. A former one
    that stood at another address is as it was there.
    """
    name = name or actor
    before = await read_in_use(owner, vault, new.integration, new.endpoint)
    test_only = new.test_only if new.is_former else new.live and not settings.is_production
    if before is not None and before.base_url == new.base_url:
        test_only = before.test_only and not provider.is_for_tests(before.secrets or {})
    new = replace(new, test_only=test_only, entered_by=name)
    saved = await save_credential(owner, vault, provider, new)
    changed = None
    if before is not None:
        changed = differs(before.base_url, before.secrets, new.base_url, new.secrets)
    await note(
        owner,
        actor,
        "credential_set",
        practice_id=new.practice_id,
        subject=saved,
        what=f"{new.integration} {provider.name}",
        **_codes(new, changed, why),
    )
    if before is not None and changed is not None and not new.is_former:
        await _tell(owner, before, changed, new, name)
    return saved


def _codes(new: NewCredential, changed: Differs | None, why: str) -> dict[str, str]:
    """What the audit keeps of it beside who and when."""
    said = {
        "changed": changed.what if changed else "",
        "former": "leaked" if new.has_leaked else "brought back" if new.is_former else "",
        "reason": why,
    }
    return {name: value for name, value in said.items() if value}


async def _tell(
    owner: Owner, before: InUse, changed: Differs, new: NewCredential, name: str
) -> None:
    """A line beside its lanes, which whoever looks for what changed finds."""
    lane_id = await owner.fetchval(
        "select id from lane where credential_id = $1 order by class desc limit 1", before.id
    )
    title = f"New {changed.what} entered" if changed else "The same secret entered again"
    leaked = "the former one has leaked and is not kept" if new.has_leaked else ""
    reason = "; ".join(filter(None, (changed.words, leaked)))
    await record(
        owner,
        "acted",
        practice_id=before.practice_id,
        lane_id=lane_id,
        data={"act": "secret", "title": title, "reason": reason, "minutes": None},
        actor=name,
    )


def _refuse_test_key(
    provider: Provider, secrets: Mapping[str, str], base_url: str, settings: Settings
) -> None:
    if not provider.is_for_tests(secrets):
        return
    name = next(field.env for field in provider.credential_fields if field.identifies)
    if settings.is_production:
        raise SettingsError([f"{name}: a test key reaches nobody; production needs a real one"])
    if is_live(base_url):
        raise SettingsError([f"{name}: {provider.title} itself knows no test key; unset its URL"])


def _from_environment(provider: Provider, environment: Mapping[str, str]) -> dict[str, str] | None:
    given = {
        field.name: environment[field.env]
        for field in provider.credential_fields
        if environment.get(field.env)
    }
    if not given:
        return None
    missing = [
        field.env
        for field in provider.credential_fields
        if field.name not in given and not field.optional
    ]
    if missing:
        raise SettingsError([f"{name}: {provider.title} needs it too" for name in missing])
    return given


def base_url_of(room: str, provider: Provider, settings: Settings) -> str:
    """Where the provider is: as told; else itself in production, the sandbox in a demo.

    Raises SettingsError for one that only its customer knows the address of.
    """
    if told := settings.environment.get(provider.base_url_env):
        return told
    if settings.is_production:
        if provider.live_base_url is None:
            raise SettingsError([f"{provider.base_url_env}: say where the practice's own is"])
        return provider.live_base_url
    return sandbox_address(room, provider, settings)


def sandbox_address(room: str, provider: Provider, settings: Settings) -> str:
    """Where this installation's own sandbox plays the provider."""
    if (door := provider.sandbox_door) is not None:
        return f"{door.scheme}://127.0.0.1:{settings.port + door.offset}"
    return f"{settings.sandbox_url}/{room}/{provider.name}"


def endpoint_of(slug: str | None, room: Integration, provider: Provider) -> str:
    """The name of a practice's credential: the default practice's slug is None.

    A room's first provider takes the practice's own name; the others add theirs.
    """
    own = slug or "default"
    return own if provider is room.providers[0] else f"{own}-{provider.name}"


def rank_of(room: Integration, provider: Provider) -> int:
    """Its place until a person says otherwise: the room's order of providers."""
    return room.providers.index(provider) + 1


def is_live(base_url: str) -> bool:
    return urlsplit(base_url).hostname not in _LOOPBACK
