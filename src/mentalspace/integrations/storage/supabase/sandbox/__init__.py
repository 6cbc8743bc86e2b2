"""Supabase Storage, written from its documentation: what it takes, keeps, answers and refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import jwt

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.rate import RateWindows
from mentalspace.emulator.words import Call, Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox import keys, routes
from mentalspace.integrations.storage.supabase.sandbox.breakages import BREAKAGES
from mentalspace.integrations.storage.supabase.sandbox.errors import (
    GatewayProblem,
    Problem,
    error_reply,
    gateway_reply,
    injected,
    not_found,
)
from mentalspace.integrations.storage.supabase.sandbox.shelves import Shelves
from mentalspace.integrations.storage.supabase.sandbox.visit import Asker, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import (
    PREFIX,
    PROVIDER,
    ROOM,
    Json,
    option,
)

# What a fresh sandbox accepts; never valid anywhere else.
DEMO_SECRET_KEY = "sb_secret_sandbox_5a0d0b0c5a0d0b0c"  # noqa: S105
_DEMO_CLAIMS: Json = {"iss": "supabase", "ref": "sandbox", "iat": 1767603600, "exp": 4102444800}
_PUBLIC = Asker("anon")


def emulator(kit: Kit) -> SupabaseSandbox:
    """Supabase Storage on this kit."""
    return SupabaseSandbox(kit)


class SupabaseSandbox:
    """The door: which project, as whom, by which route; the rest is behind `routes`."""

    room = ROOM
    provider = PROVIDER
    title = "Supabase Storage"
    breakages = BREAKAGES
    # An account may have its own under the same names. Its profile may have `jwt_secret`.
    options: Mapping[str, Any] = {
        # with these every project begins, all private
        "buckets": [
            "client-documents", "client-insurance-cards", "telehealth-consents",
            "client-signatures", "session-recordings", "test-documents",
        ],
        "file_size_limit": 50 * 1024 * 1024,  # of the whole project; a bucket may have less
        # {"client-documents": {"authenticated": ["select", "insert"]}}; a bucket without any is
        # the service's alone
        "policies": {},
        "true_status": False,  # true: the status that the body tells, which Supabase does not do
        "requests_per_s": 500,
    }  # fmt: skip

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._rate = RateWindows()
        self._shelves = Shelves(kit)
        self.spool = self._shelves.spool
        kit.options.declare(ROOM, PROVIDER, self.options)

    def furnish(self, hooks_url: str | None) -> None:  # noqa: ARG002
        """One project with both kinds of key: the newer secret, and the older service role's."""
        if self._kit.accounts.by_key(ROOM, PROVIDER, DEMO_SECRET_KEY) is None:
            profile = {"jwt_secret": keys.DEMO_JWT_SECRET}
            account = self._kit.accounts.put(ROOM, PROVIDER, DEMO_SECRET_KEY, profile=profile)
            self._kit.accounts.add_key(account, demo_token("service_role"))

    def identify(self, call: Call) -> Account | None:
        """By either key or by a token; a link, by who signed it; what is public, by who has it."""
        found = keys.project_of(self._kit, call)
        if found is not None:
            return found
        token = parse_qs(call.query).get("token")
        if token:
            return keys.signer_of(self._kit, token[-1])
        return self._with_public(call) if "/public/" in call.path else None

    def idempotency_key(self, _call: Call) -> str | None:
        return None

    def claims(self, _call: Call) -> str | None:
        return None

    def busy(self, _call: Call, _account: Account | None) -> Reply:
        return error_reply(Problem("SlowDown"))

    def handle(self, call: Call, account: Account | None) -> Reply:
        reply = self._reply(call, account)
        named = {"sb-request-id": str(uuid4()), **reply.headers}
        return replace(reply, headers=named)

    def fail(self, _account: Account | None, fault: Fault) -> Reply:
        return injected(fault.http, fault.name, fault.message)

    def sign(
        self, _account: Account, _hook_id: str, _at: datetime, _body: bytes
    ) -> Mapping[str, str]:
        """It calls nobody back."""
        return {}

    def _reply(self, call: Call, account: Account | None) -> Reply:
        if call.path in (f"{PREFIX}/status", f"{PREFIX}/health"):
            return json_reply(200, {"healthy": True})
        wishes_truth = account is not None and option(self._kit, account, "true_status")
        try:
            return self._answer(call, account)
        except GatewayProblem as problem:
            return gateway_reply(problem.http)
        except Problem as problem:
            return error_reply(problem, true_status=bool(wishes_truth))

    def _answer(self, call: Call, account: Account | None) -> Reply:
        found = routes.find(call.method, call.path)
        if found is None:
            return not_found(call.method, call.path)
        asker = _PUBLIC if found.open else keys.asker_of(self._kit, call, account)
        if account is None:
            raise Problem("InvalidJWT" if "token=" in call.query else "NoSuchBucket")
        limit = account.rate_per_s or int(option(self._kit, account, "requests_per_s"))
        if not self._rate.take(account.id, limit, account.consumed_per_s).allowed:
            raise Problem("SlowDown")
        visit = Visit(self._kit, call, account, asker, found.args, self._shelves)
        return found.handler(visit)

    def _with_public(self, call: Call) -> Account | None:
        """The newest project that has this public bucket: in earnest its own host would say."""
        bucket = call.path.partition("/public/")[2].partition("/")[0]
        for account in reversed(keys.projects(self._kit)):
            row = self._shelves.bucket(account, bucket)
            if row is not None and row["public"]:
                return account
        return None


def demo_token(role: str) -> str:
    """A token of the demo's project for a role: its older API keys are such."""
    return jwt.encode({**_DEMO_CLAIMS, "role": role}, keys.DEMO_JWT_SECRET, "HS256")
