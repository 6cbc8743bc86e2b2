"""Opens the adapter of a stored credential, for calls outside a lane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Database
from mentalspace.engine.former import Former, open_former
from mentalspace.engine.log import get_logger
from mentalspace.engine.outbound import Client, DeadlinedHttp
from mentalspace.engine.secrets import SealBroken, Vault
from mentalspace.kernel.integration import Adapter, Credential, Integration, hook_url

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Adapters:
    """`clients` are keyed by whether they may leave this machine."""

    database: Database
    vault: Vault
    rooms: Mapping[str, Integration]
    clients: Mapping[bool, Client]
    site_url: str

    async def of(
        self,
        practice_id: UUID,
        credential_id: UUID,
        *,
        deadline_s: float | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Adapter:
        """Each of its calls has `deadline_s` in all, or what the provider's have. `secrets` are
        tried in place of the stored ones. Raises LookupError if the practice has no such
        credential."""
        async with self.database.as_worker(practice_id) as connection:
            row = await connection.fetchrow(
                "select integration, provider, endpoint, base_url, live, secrets"
                " from credential where id = $1",
                credential_id,
            )
        if row is None:
            raise LookupError("the practice has no such credential")
        return self._open(practice_id, row, deadline_s, secrets)

    async def of_former(self, former: Former) -> Adapter | None:
        """Of what a credential stood with before, at its address of then; None once it is
        forgotten. Raises SealBroken."""
        async with self.database.as_worker(former.practice_id) as connection:
            secrets = await open_former(connection, self.vault, former)
            row = await connection.fetchrow(
                "select integration, provider, endpoint from credential where id = $1",
                former.credential_id,
            )
        if secrets is None or row is None:
            return None
        stood = {**dict(row), "base_url": former.base_url, "live": former.live}
        return self._open(former.practice_id, stood, None, secrets)

    def _open(
        self,
        practice_id: UUID,
        row: Mapping[str, Any],
        deadline_s: float | None,
        secrets: Mapping[str, str] | None,
    ) -> Adapter:
        provider = self.rooms[row["integration"]].provider(row["provider"])
        if secrets is None:
            secrets = json.loads(self.vault.open(practice_id, "credential", row["secrets"]))
        credential = Credential(
            str(practice_id),
            row["endpoint"],
            row["base_url"],
            dict(secrets or {}),
            hook_url(self.site_url, row["integration"], row["endpoint"]),
        )
        http = DeadlinedHttp(self.clients[row["live"]], deadline_s or provider.deadline_s)
        return provider.adapter(http, credential)

    async def usable(self, practice_id: UUID, credential_id: UUID) -> Adapter | None:
        """The same for loops over many: one that cannot be opened is logged, and stops no other."""
        try:
            return await self.of(practice_id, credential_id)
        except (LookupError, SealBroken) as error:
            log.error(
                "credential_unusable", credential_id=credential_id, error=type(error).__name__
            )
            return None
