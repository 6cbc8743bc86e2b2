"""Takes webhooks in: verified, written down once, on disk before anybody is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import CONNECTION_LOST, Connection, Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.clock import Clock
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.integration import Integration, WebhookAnswer, WebhookCall, hook_url

# What a refusal is answered with. 4xx stops most providers; what is wrong with our own
# configuration must be tried again.
HTTP_OF: Mapping[str, int] = {
    "header": 400, "body": 400, "timestamp": 401, "signature": 401, "account": 403,
}  # fmt: skip

_ENDPOINTS = """
select c.id, c.practice_id, c.integration, c.endpoint, c.provider, c.secrets, c.drill
  from credential c join unnest($1::text[], $2::text[]) as asked (integration, endpoint)
    on c.integration = asked.integration and c.endpoint = asked.endpoint
"""
_INSERT = """
insert into inbox (practice_id, credential_id, integration, provider, external_id, payload, query,
                   drill, traceparent, request_id)
select $1, * from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[],
                         $8::text[], $9::text[], $10::text[])
on conflict (credential_id, external_id) do nothing
returning credential_id, external_id
"""

# Since the last one that held: whoever is heard again begins anew.
_REFUSED = """
insert into hook_refusal as r (credential_id, practice_id, code, refused, since, last_at)
select credential_id, $1, code, refused, app.now(), app.now()
  from unnest($2::uuid[], $3::text[], $4::int[]) as said (credential_id, code, refused)
 order by credential_id
on conflict (credential_id) do update
   set (refused, since) = (
         select case when heard then excluded.refused else r.refused + excluded.refused end,
                case when heard then excluded.since else r.since end
           from (select exists (select from inbox i where i.credential_id = r.credential_id
                                   and i.received_at > r.since) as heard) x),
       code = excluded.code, last_at = excluded.last_at
"""


class NoSuchEndpoint(WebhookRefused):
    pass


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook as it came; header names in lower case, the query as it was written, and which
    request of ours it was."""

    room: str
    endpoint: str
    raw: bytes
    headers: Mapping[str, str]
    query: str = ""
    traceparent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A webhook that is on disk: now, or from before. `answer` is what its provider reads."""

    is_new: bool
    answer: WebhookAnswer | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A verified webhook, and the row of the credential that it is for."""

    endpoint: Any
    external_id: str
    payload: bytes
    hook: Hook
    answer: WebhookAnswer | None

    @property
    def key(self) -> tuple[UUID, str]:
        return self.endpoint["id"], self.external_id


@dataclass(frozen=True, slots=True)
class Reception:
    database: Database
    vault: Vault
    rooms: Mapping[str, Integration]
    clock: Clock
    site_url: str

    async def keep(self, hooks: Sequence[Hook]) -> Sequence[Taken | Exception]:
        """Those that came together, in one transaction; what is wrong with one stays its own."""
        try:
            return await self._keep_all(hooks)
        except CONNECTION_LOST:
            raise
        except Exception as error:
            if len(hooks) == 1:
                return [error]
            return [result for hook in hooks for result in await self.keep([hook])]

    async def _keep_all(self, hooks: Sequence[Hook]) -> Sequence[Taken | Exception]:
        new: set[tuple[UUID, str]] = set()
        async with self.database.as_door() as connection:
            endpoints = await self._endpoints(connection, hooks)
            verified = [
                self._verified(endpoints.get((hook.room, hook.endpoint)), hook) for hook in hooks
            ]
            for practice_id, mine in _by_practice(verified).items():
                await self.database.go_on_as_worker(connection, practice_id)
                new |= await self._insert(connection, practice_id, mine)
            for practice_id, refused in _refusals(endpoints, hooks, verified).items():
                await self.database.go_on_as_worker(connection, practice_id)
                ids, codes, counts = zip(*refused, strict=True)
                await connection.execute(_REFUSED, practice_id, ids, codes, counts)
        results: list[Taken | Exception] = []
        for each in verified:
            if isinstance(each, _Kept):
                results.append(Taken(each.key in new, each.answer))
                new.discard(each.key)  # the same one twice among them: the second is a duplicate
            else:
                results.append(each)
        return results

    async def _endpoints(
        self, connection: Connection, hooks: Sequence[Hook]
    ) -> Mapping[tuple[str, str], Any]:
        names = {(hook.room, hook.endpoint) for hook in hooks}
        rows = await connection.fetch(
            _ENDPOINTS, [room for room, _ in names], [endpoint for _, endpoint in names]
        )
        return {(row["integration"], row["endpoint"]): row for row in rows}

    def _verified(self, endpoint: Any | None, hook: Hook) -> _Kept | Exception:
        try:
            if endpoint is None:
                raise NoSuchEndpoint("no_such_endpoint", "there is no such webhook endpoint")
            provider = self.rooms[hook.room].provider(endpoint["provider"])
            if provider.verify_webhook is None:
                raise NoSuchEndpoint("no_such_endpoint", "this provider sends no webhooks")
            practice_id = endpoint["practice_id"]
            secrets = json.loads(self.vault.open(practice_id, "credential", endpoint["secrets"]))
            now = self.clock.now()
            external_id = provider.verify_webhook(self._call(hook), secrets, now)
            sealed = self.vault.seal(practice_id, "inbox", hook.raw)
            return _Kept(endpoint, external_id, sealed, hook, provider.webhook_answer)
        except Exception as error:
            return error

    def _call(self, hook: Hook) -> WebhookCall:
        url = hook_url(self.site_url, hook.room, hook.endpoint)
        return WebhookCall(hook.raw, hook.headers, f"{url}?{hook.query}" if hook.query else url)

    async def _insert(
        self, connection: Connection, practice_id: UUID, kept: Sequence[_Kept]
    ) -> set[tuple[UUID, str]]:
        # In one order, so that two transactions with the same ones do not wait in a ring.
        kept = sorted(kept, key=lambda each: each.external_id)
        rows = await connection.fetch(
            _INSERT,
            practice_id,
            [each.endpoint["id"] for each in kept],
            [each.endpoint["integration"] for each in kept],
            [each.endpoint["provider"] for each in kept],
            [each.external_id for each in kept],
            [each.payload for each in kept],
            [each.hook.query for each in kept],
            [each.endpoint["drill"] for each in kept],
            [each.hook.traceparent for each in kept],
            [each.hook.request_id for each in kept],
        )
        return {(row["credential_id"], row["external_id"]) for row in rows}


def _by_practice(verified: Sequence[_Kept | Exception]) -> Mapping[UUID, Sequence[_Kept]]:
    found: dict[UUID, list[_Kept]] = {}
    for each in verified:
        if isinstance(each, _Kept):
            found.setdefault(each.endpoint["practice_id"], []).append(each)
    return found


def _refusals(
    endpoints: Mapping[tuple[str, str], Any],
    hooks: Sequence[Hook],
    verified: Sequence[_Kept | Exception],
) -> Mapping[UUID, Sequence[tuple[UUID, str, int]]]:
    """By practice: credential, the last refusal's code, and how many were refused."""
    codes: dict[tuple[str, str], list[str]] = {}
    for hook, each in zip(hooks, verified, strict=True):
        if isinstance(each, WebhookRefused) and not isinstance(each, NoSuchEndpoint):
            codes.setdefault((hook.room, hook.endpoint), []).append(each.code)
    found: dict[UUID, list[tuple[UUID, str, int]]] = {}
    for name, said in codes.items():
        endpoint = endpoints[name]
        found.setdefault(endpoint["practice_id"], []).append((endpoint["id"], said[-1], len(said)))
    return found
