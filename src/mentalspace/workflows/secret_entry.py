"""Enters a credential's new secret: tried at its provider first, then sealed and taken into use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.credentials import NewCredential
from mentalspace.engine.db import connect_owner
from mentalspace.engine.former import read_in_use
from mentalspace.engine.outbound import open_client
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.integration import CredentialField, Provider
from mentalspace.practice.tenancy import store

LONGEST = 4096
_TRIED_WITHIN_S = 10.0
_ONE = """
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.base_url, c.live
  from credential c where c.id = $1 and c.active and c.drill is null
"""


async def enter_secret(
    services: Services,
    credential_id: UUID,
    given: Mapping[str, str],
    *,
    actor: str,
    name: str,
    untried: bool = False,
    has_leaked: bool = False,
) -> list[str]:
    """What is not given stays as it is; the names of the fields that were. `actor` stands in the
    audit, `name` beside the credential. What it replaces is kept as the former one, unless that
    `has_leaked`.

    Raises Refused, with words that quote nothing of it, if nothing usable is given or the provider
    refuses it; and if the provider cannot be asked, unless it may be taken `untried`. Then nothing
    has changed. Lanes that the runbook had stopped go on, if the provider sees what is new: what
    only signs callbacks opens none.
    """
    async with services.database.as_oncall() as connection:
        row = await connection.fetchrow(_ONE, credential_id)
    if row is None:
        raise Refused("no_such_credential", "there is no such credential any more")
    provider = services.rooms[row["integration"]].provider(row["provider"])
    new = _usable(provider, given)
    async with connect_owner(services.admin_url) as owner:
        where = services.vault, row["integration"], row["endpoint"]
        before = await read_in_use(owner, *where)
        known = {} if before is None else before.secrets or {}
        secrets = {**known, **new}
        if secrets == known:
            raise Refused("the_same", "this is the secret that is in use already")
        told = any(is_told(field) for field in provider.credential_fields if field.name in new)
        if told:
            await _try(services, row, provider, secrets, untried=untried)
        async with owner.transaction():
            now = await read_in_use(owner, *where)
            if before is None or now is None or now.version != before.version:
                text = "somebody else has entered one meanwhile; look again"
                raise Refused("changed_meanwhile", text)
            await store(
                owner,
                services.vault,
                provider,
                NewCredential(
                    row["practice_id"],
                    row["integration"],
                    row["endpoint"],
                    row["base_url"],
                    row["live"],
                    secrets,
                    resumes=told,
                    has_leaked=has_leaked,
                ),
                services.settings,
                actor=actor,
                name=name,
            )
    return list(new)


def is_told(field: CredentialField) -> bool:
    """Whether the provider sees it when it is asked: a secret that only signs it never does."""
    return field.identifies or not field.signs


def _usable(provider: Provider, given: Mapping[str, str]) -> dict[str, str]:
    names = [field.name for field in provider.credential_fields]
    new = {name: given[name].strip() for name in names if given.get(name, "").strip()}
    if not new:
        raise Refused("nothing_given", "no field was filled in")
    for name, secret in new.items():
        if len(secret) > LONGEST or not secret.isprintable():
            raise Refused("unusable", f"{name}: one line of at most {LONGEST} letters")
    return new


async def _try(
    services: Services, row: Any, provider: Provider, secrets: Mapping[str, str], *, untried: bool
) -> None:
    async with open_client(live=row["live"]) as client:
        adapters = Adapters(
            services.database,
            services.vault,
            services.rooms,
            {row["live"]: client},
            services.settings.site_url,
        )
        adapter = await adapters.of(row["practice_id"], row["id"], secrets=secrets)
        try:
            async with asyncio.timeout(_TRIED_WITHIN_S):
                await adapter.check()
        except (ProviderError, TimeoutError) as error:
            said = error.evidence.summary() if isinstance(error, ProviderError) else "timeout"
            if isinstance(error, ProviderError) and error.evidence.http in (400, 401, 403, 404):
                text = f"{provider.title} refuses it ({said}); the old one stays in use"
                raise Refused("refused_by_provider", text) from error
            if not untried:
                text = (
                    f"{provider.title} could not be asked ({said}); tick the box to use it untried"
                )
                raise Refused("not_tried", text) from error
