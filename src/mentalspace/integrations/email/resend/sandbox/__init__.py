"""Resend, written from its documentation: what it accepts, answers and reports later."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mentalspace.emulator.accounts import Account, hash_key
from mentalspace.emulator.dns import Published
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.rate import Allowance, RateWindows
from mentalspace.emulator.words import Call, Reply
from mentalspace.integrations.email.resend.sandbox import routes
from mentalspace.integrations.email.resend.sandbox.domains import all_domains
from mentalspace.integrations.email.resend.sandbox.endpoints import endpoint_of
from mentalspace.integrations.email.resend.sandbox.errors import Problem, error_reply, injected
from mentalspace.integrations.email.resend.sandbox.keys import key_of
from mentalspace.integrations.email.resend.sandbox.limits import (
    quota_headers,
    rate_headers,
    rate_of,
)
from mentalspace.integrations.email.resend.sandbox.records import (
    SPF_OF_THE_INCLUDE,
    published,
)
from mentalspace.integrations.email.resend.sandbox.signature import signed
from mentalspace.integrations.email.resend.sandbox.used import Used
from mentalspace.integrations.email.resend.sandbox.visit import Visit
from mentalspace.integrations.email.resend.sandbox.words import PROVIDER, ROOM, option

# What a fresh sandbox accepts; never valid anywhere else.
DEMO_API_KEY = "re_sandbox"
DEMO_WEBHOOK_SECRET = "whsec_bWVudGFsc3BhY2Utc2FuZGJveC1kZW1vLXNlY3JldA=="  # noqa: S105

SENDING = ("/emails", "/emails/batch")


def emulator(kit: Kit) -> ResendSandbox:
    """Resend on this kit."""
    return ResendSandbox(kit)


class ResendSandbox:
    """The door: who calls, may they, how often; the rest is behind `routes`."""

    room = ROOM
    provider = PROVIDER
    title = "Resend"
    # An account may have its own under the same names, and `domains` besides.
    options: Mapping[str, Any] = {
        # Documented as 403 invalid_api_key until mid-2026; field reports show 400 and 401
        # validation_error.
        "invalid_key_http": 403,
        "invalid_key_name": "invalid_api_key",
        "rate_per_s": 10,
        "quota_daily": 0,  # 0: no limit
        "quota_monthly": 0,
        "permission": "full_access",  # or sending_access
        "key_status": "active",  # or suspended, inactive, missing_scopes
        "testing": False,  # true: may write to the test addresses and its own alone
        "own_address": "you@mentalspace.app",
        "schedule_with_attachments": False,
        "verify_outcome": "verified",  # or any other status of a domain
        "verify_s": 2.0,
        "lag_min_s": 0.2,
        "lag_max_s": 1.5,
        "delay_s": 30.0,  # between delivery_delayed and what follows
        # What ordinary recipients meet: {"local part with *": a fate}, then shares of them.
        "fates": {},
        "bounce_share": 0.0,
        "transient_share": 0.0,
        "delay_share": 0.0,
        "complaint_share": 0.0,
        "fail_share": 0.0,
        "open_share": 0.5,  # where the domain tracks opens
        "click_share": 0.2,
    }

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._rate = RateWindows()
        self._used = Used(kit)
        self._key_used_at: dict[str, datetime] = {}
        kit.options.declare(ROOM, PROVIDER, self.options)
        kit.hooks.signer(ROOM, PROVIDER, self.sign, self._endpoint)

    def furnish(self, hooks_url: str | None) -> None:
        if self._kit.accounts.by_key(ROOM, PROVIDER, DEMO_API_KEY) is None:
            self._kit.accounts.put(
                ROOM,
                PROVIDER,
                DEMO_API_KEY,
                webhook_url=hooks_url,
                webhook_secret=DEMO_WEBHOOK_SECRET,
            )

    def identify(self, call: Call) -> Account | None:
        key = _bearer(call)
        return self._kit.accounts.by_key(ROOM, PROVIDER, key) if key else None

    def idempotency_key(self, call: Call) -> str | None:
        return call.headers.get("idempotency-key") if call.method == "POST" else None

    def claims(self, call: Call) -> str | None:
        """A key; or the thing that is changed: two changes at once are a 409."""
        key = self.idempotency_key(call)
        if key is not None or call.path.rstrip("/") in SENDING:
            return key and f"key {key}"
        things = call.path.strip("/").split("/")
        return None if call.method == "GET" or len(things) < 2 else f"thing {things[0]}/{things[1]}"

    def handle(self, call: Call, account: Account | None) -> Reply:
        if not call.headers.get("user-agent"):
            # source: https://resend.com/docs/knowledge-base/403-error-1010
            return Reply(403, b"error code: 1010", {"content-type": "text/plain; charset=UTF-8"})
        headers = self._idle_headers(account)
        try:
            team = self._authorise(call, account)
            allowance = self._rate.take(team.id, rate_of(self._kit, team), team.consumed_per_s)
            headers |= rate_headers(allowance)
            if not allowance.allowed:
                headers["retry-after"] = str(allowance.reset_s)
                raise self._rate_exceeded(team)
            reply = self._answer(call, team)
            return replace(reply, headers={**reply.headers, **headers, **self._quota(team)})
        except Problem as problem:
            return error_reply(problem, headers)

    def busy(self, call: Call, account: Account | None) -> Reply:
        name = "resource_locked"
        if self.idempotency_key(call) is not None:
            name = "concurrent_idempotent_requests"
        return error_reply(Problem(409, name), self._idle_headers(account))

    def fail(self, account: Account | None, fault: Fault) -> Reply:
        headers = self._idle_headers(account)
        if fault.retry_after_s is not None:
            headers["retry-after"] = str(fault.retry_after_s)
        problem = injected(fault.http, fault.name, fault.message)
        problem.message = problem.message.replace("{limit}", headers["ratelimit-limit"])
        return error_reply(problem, headers)

    def sign(self, account: Account, hook_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
        return signed(account, hook_id, at, body)

    def published(self) -> Iterable[Published]:
        """What the DNS holds of its customers' domains."""
        domains = {
            domain["name"]: domain["records"]
            for account in self._kit.accounts.all()
            if (account.room, account.provider) == (ROOM, PROVIDER)
            for domain in all_domains(self._kit, account)
        }
        yield SPF_OF_THE_INCLUDE
        for name in sorted(domains):
            yield from published(name, domains[name])

    def _answer(self, call: Call, team: Account) -> Reply:
        handler, args = routes.find(call.method, call.path)
        key_hash = hash_key(_bearer(call))
        self._key_used_at[key_hash] = call.at
        visit = Visit(self._kit, call, team, key_hash, args, self._used, self._key_used_at)
        return handler(visit)

    def _authorise(self, call: Call, account: Account | None) -> Account:
        if not call.headers.get("authorization"):
            raise Problem(401, "missing_api_key")
        if account is None:
            options = self._kit.options.get(ROOM, PROVIDER)
            http, name = options["invalid_key_http"], options["invalid_key_name"]
            raise Problem(http, name, "API key is invalid.")
        match option(self._kit, account, "key_status"):
            case "suspended":
                raise Problem(403, "suspended_api_key")
            case "inactive":
                raise Problem(403, "restricted_api_key")
            case "missing_scopes":
                raise Problem(403, "invalid_permission")
        key = key_of(self._kit, account, hash_key(_bearer(call)))
        sends = call.method == "POST" and call.path.rstrip("/") in SENDING
        if key["permission"] == "sending_access" and not sends:
            raise Problem(401, "restricted_api_key")
        return account

    def _rate_exceeded(self, team: Account) -> Problem:
        problem = Problem(429, "rate_limit_exceeded")
        problem.message = problem.message.format(limit=rate_of(self._kit, team))
        return problem

    def _endpoint(self, account: Account, endpoint: str) -> Account | None:
        return endpoint_of(self._kit, account, endpoint)

    def _quota(self, team: Account) -> Mapping[str, str]:
        return quota_headers(self._kit, team, self._used)

    def _idle_headers(self, account: Account | None = None) -> dict[str, str]:
        limit = rate_of(self._kit, account)
        # Its API is behind Cloudflare, who names each request.
        # source: https://developers.cloudflare.com/fundamentals/reference/cloudflare-ray-id/
        ray = {"cf-ray": f"{secrets.token_hex(8)}-ORD"}
        return {**rate_headers(Allowance(True, limit, limit, 1)), **ray}


def _bearer(call: Call) -> str:
    """The key a call carries; empty if it carries none."""
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
