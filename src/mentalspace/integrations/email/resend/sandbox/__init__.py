"""Resend, written from its documentation: what it accepts, answers and reports later."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.dns import Published
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted, Step, digest_of
from mentalspace.emulator.rate import Allowance, RateWindows
from mentalspace.emulator.words import Call, Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.records import (
    SPF_OF_THE_INCLUDE,
    dns_records,
    published,
)

ROOM = "email"
PROVIDER = "resend"

# What a fresh sandbox accepts; never valid anywhere else.
DEMO_API_KEY = "re_sandbox"
DEMO_WEBHOOK_SECRET = "whsec_bWVudGFsc3BhY2Utc2FuZGJveC1kZW1vLXNlY3JldA=="  # noqa: S105
DEMO_DOMAIN = "mentalspace.app"

Json = dict[str, Any]

# source: https://resend.com/docs/api-reference/errors
# Messages of 500 and 503 are our guess; see the README's table of what is known how.
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("validation_error", "We found an error with one or more fields in the request."),
    401: ("missing_api_key", "Missing API key in the authorization header."),
    403: ("invalid_api_key", "API key is invalid."),
    404: ("not_found", "The requested endpoint does not exist."),
    405: ("method_not_allowed", "Method is not allowed for the requested path."),
    409: (
        "concurrent_idempotent_requests",
        "Same idempotency key used while original request is still in progress.",
    ),
    422: ("validation_error", "We found an error with one or more fields in the request."),
    429: (
        "rate_limit_exceeded",
        "Too many requests. You can only make {limit} requests per second.",
    ),
    500: ("application_error", "An unexpected error occurred."),
    503: ("service_unavailable", "The service is temporarily unavailable. Please try again later."),
}

ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
NAMED = re.compile(r"[^<>]*<([^<>]+)>")
TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
UUID = r"[0-9a-fA-F-]{36}"

# source: https://resend.com/docs/dashboard/emails/send-test-emails
# What becomes of a mail to …@resend.dev; `suppressed` takes no +label. Times are ours.
FATES: Mapping[str, tuple[str, ...]] = {
    "delivered": ("email.sent", "email.delivered"),
    "bounced": ("email.sent", "email.bounced"),
    "complained": ("email.sent", "email.delivered", "email.complained"),
    "suppressed": ("email.suppressed",),
}
DETAILS: Mapping[str, Json] = {
    "email.bounced": {
        "bounce": {
            "type": "Permanent",
            "subType": "General",
            "message": "The recipient's mail server rejected the address: smtp; 550 5.1.1.",
            "diagnosticCode": ["smtp; 550 5.1.1 user unknown"],
        }
    },
    "email.suppressed": {
        "suppressed": {
            "type": "OnAccountSuppressionList",
            "message": "Resend has suppressed sending to this address because it is on the "
            "account-level suppression list.",
        }
    },
}


class Problem(Exception):
    """Resend's refusal of one request."""

    def __init__(self, http: int, name: str | None = None, message: str | None = None) -> None:
        super().__init__(name)
        usual_name, usual_message = ERRORS[http]
        self.http = http
        self.name = name or usual_name
        self.message = message or usual_message


def emulator(kit: Kit) -> ResendSandbox:
    """Resend on this kit."""
    return ResendSandbox(kit)


class ResendSandbox:
    room = ROOM
    provider = PROVIDER
    title = "Resend"
    options: Mapping[str, Any] = {
        # Documented as 403 invalid_api_key; field reports show 400 and 401 validation_error.
        "invalid_key_http": 403,
        "invalid_key_name": "invalid_api_key",
        "rate_per_s": 10,
        "lag_min_s": 0.2,
        "lag_max_s": 1.5,
    }

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._rate = RateWindows()
        kit.options.declare(ROOM, PROVIDER, self.options)
        kit.hooks.signer(ROOM, PROVIDER, self.sign)

    def furnish(self, hooks_url: str | None) -> None:
        if self._kit.accounts.by_key(ROOM, PROVIDER, DEMO_API_KEY) is None:
            self._kit.accounts.put(
                ROOM,
                PROVIDER,
                DEMO_API_KEY,
                webhook_url=hooks_url,
                webhook_secret=DEMO_WEBHOOK_SECRET,
            )

    def published(self) -> Iterable[Published]:
        """What the DNS holds of its customers' domains."""
        names = {name for account in self._accounts() for name in _domains(account)}
        yield SPF_OF_THE_INCLUDE
        for name in sorted(names):
            yield from published(name)

    def _accounts(self) -> list[Account]:
        everybody = self._kit.accounts.all()
        return [a for a in everybody if (a.room, a.provider) == (ROOM, PROVIDER)]

    def identify(self, call: Call) -> Account | None:
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return None
        return self._kit.accounts.by_key(ROOM, PROVIDER, key.strip())

    def idempotency_key(self, call: Call) -> str | None:
        return call.headers.get("idempotency-key") if call.method == "POST" else None

    def handle(self, call: Call, account: Account | None) -> Reply:
        if not call.headers.get("user-agent"):
            # source: https://resend.com/docs/knowledge-base/403-error-1010
            return Reply(403, b"error code: 1010", {"content-type": "text/plain; charset=UTF-8"})
        headers: dict[str, str] = {}
        try:
            account = self._authorise(call, account)
            allowance = self._take(account)
            headers = _rate_headers(allowance)
            if not allowance.allowed:
                headers["retry-after"] = str(allowance.reset_s)
                raise Problem(429, None, ERRORS[429][1].format(limit=allowance.limit))
            return self._route(call, account, headers)
        except Problem as problem:
            return _error(problem, headers or self._idle_headers())

    def busy(self, account: Account | None) -> Reply:
        return _error(Problem(409), self._idle_headers(account))

    def fail(self, account: Account | None, fault: Fault) -> Reply:
        name, message = ERRORS.get(fault.http, ERRORS[500])
        headers = self._idle_headers(account)
        if fault.retry_after_s is not None:
            headers["retry-after"] = str(fault.retry_after_s)
        body = {
            "statusCode": fault.http,
            "message": fault.message or message.format(limit=headers["ratelimit-limit"]),
            "name": fault.name or name,
        }
        return json_reply(fault.http, body, headers)

    # source: https://docs.svix.com/receiving/verifying-payloads/how-manual
    def sign(self, account: Account, hook_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
        timestamp = str(int(at.timestamp()))
        secret = base64.b64decode((account.webhook_secret or "").removeprefix("whsec_"))
        signed = f"{hook_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        return {
            "user-agent": "Svix-Webhooks",
            "svix-id": hook_id,
            "svix-timestamp": timestamp,
            "svix-signature": f"v1,{signature}",
        }

    def _authorise(self, call: Call, account: Account | None) -> Account:
        if not call.headers.get("authorization"):
            raise Problem(401)
        if account is None:
            options = self._kit.options.get(ROOM, PROVIDER)
            http = options["invalid_key_http"]
            raise Problem(
                http if http in ERRORS else 403, options["invalid_key_name"], "API key is invalid."
            )
        sending = call.method == "POST" and call.path in ("/emails", "/emails/batch")
        if account.options.get("permission") == "sending_access" and not sending:
            raise Problem(
                401, "restricted_api_key", "This API key is restricted to only send emails"
            )
        return account

    def _route(self, call: Call, account: Account, headers: Mapping[str, str]) -> Reply:
        path = call.path.rstrip("/")
        match call.method, path:
            case "POST", "/emails":
                return self._once(call, account, headers)
            case "POST", "/emails/batch":
                return self._once(call, account, headers)
            case "GET", "/domains":
                listed = [_domain(name) for name in _domains(account)]
                payload = {"object": "list", "has_more": False, "data": listed}
                return json_reply(200, payload, headers)
        if found := re.fullmatch(f"/emails/({UUID})", path):
            return self._get_email(call, account, found[1], headers)
        if found := re.fullmatch(f"/domains/({UUID})", path):
            return self._get_domain(call, account, found[1], headers)
        if path in ("/emails", "/emails/batch", "/domains"):
            raise Problem(405)
        raise Problem(404)

    def _get_email(
        self, call: Call, account: Account, email_id: str, headers: Mapping[str, str]
    ) -> Reply:
        if call.method != "GET":
            raise Problem(405)
        item = self._kit.outbox.get(email_id)
        if item is None or item.account != account.id:
            raise Problem(404, "not_found", "Email not found")
        happened = item.so_far(self._kit.clock.now())
        last_event = happened[-1].kind.removeprefix("email.") if happened else "queued"
        created_at = datetime.fromisoformat(item.at).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        payload = {
            "object": "email",
            "id": item.id,
            "message_id": f"<{item.id}@sandbox.resend.dev>",
            **{field: item.content.get(field) for field in ("to", "from", "subject", "html")},
            **{field: item.content.get(field) for field in ("text", "bcc", "cc", "reply_to")},
            "created_at": created_at,
            "last_event": last_event,
            "scheduled_at": None,
            "tags": item.content.get("tags") or [],
        }
        return json_reply(200, payload, headers)

    def _get_domain(
        self, call: Call, account: Account, domain_id: str, headers: Mapping[str, str]
    ) -> Reply:
        if call.method != "GET":
            raise Problem(405)
        for name in _domains(account):
            if _domain_id(name) == domain_id:
                return json_reply(
                    200,
                    {"object": "domain", **_domain(name), "records": dns_records(name)},
                    headers,
                )
        raise Problem(404, "not_found", "Domain not found")

    # source: https://resend.com/docs/dashboard/emails/idempotency-keys
    def _once(self, call: Call, account: Account, headers: Mapping[str, str]) -> Reply:
        """Send, unless this key has been answered for the same payload in the last 24 hours."""
        body = _parse(call)
        key = call.headers.get("idempotency-key")
        if key is None:
            return self._send(call, account, body, headers)
        if not 1 <= len(key) <= 256:
            raise Problem(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        fingerprint = digest_of([call.path.rstrip("/"), body])
        earlier = self._kit.keys.recall(account.id, key)
        if earlier is None:
            reply = self._send(call, account, body, headers)
            self._kit.keys.remember(account.id, key, fingerprint, reply.http, reply.body)
            return reply
        if earlier.fingerprint != fingerprint:
            raise Problem(
                409,
                "invalid_idempotent_request",
                "Same idempotency key used with a different request payload.",
            )
        typed = {"content-type": "application/json; charset=utf-8", **headers}
        return Reply(earlier.http, earlier.body, typed, replayed=True)

    def _send(self, call: Call, account: Account, body: Any, headers: Mapping[str, str]) -> Reply:
        if call.path.rstrip("/") == "/emails":
            _check_email(body, account)
            email_id = self._accept(body, account)
            return json_reply(200, {"id": email_id}, headers, accepted=(email_id,))
        return self._send_batch(call, account, body, headers)

    # source: https://resend.com/docs/api-reference/emails/send-batch-emails
    def _send_batch(
        self, call: Call, account: Account, body: Any, headers: Mapping[str, str]
    ) -> Reply:
        if not isinstance(body, list) or not 1 <= len(body) <= 100:
            raise Problem(422, "validation_error", "Send from 1 to 100 emails in one batch.")
        permissive = call.headers.get("x-batch-validation") == "permissive"
        good: list[Json] = []
        errors: list[Json] = []
        for index, email in enumerate(body):
            try:
                _check_email(email, account, in_batch=True)
            except Problem as problem:
                if not permissive:
                    raise
                errors.append({"index": index, "message": problem.message})
            else:
                good.append(email)
        ids = tuple(self._accept(email, account) for email in good)
        payload: Json = {"data": [{"id": email_id} for email_id in ids]}
        if permissive:
            payload["errors"] = errors
        return json_reply(200, payload, headers, accepted=ids)

    def _accept(self, email: Json, account: Account) -> str:
        email_id = str(uuid.uuid4())
        now = self._kit.clock.now()
        content = {**email, "to": _list(email["to"])}
        for field in ("cc", "bcc", "reply_to"):
            content[field] = _list(email.get(field))
        content["attachments"] = [
            {"filename": a.get("filename"), "content_type": a.get("content_type")}
            for a in email.get("attachments") or ()
            if isinstance(a, dict)
        ]
        steps = self._fate(content["to"][0], now)
        said = [content["to"], content["subject"], content.get("html"), content.get("text")]
        self._kit.outbox.add(
            Accepted(
                id=email_id,
                room=ROOM,
                provider=PROVIDER,
                account=account.id,
                at=now.isoformat(),
                digest=digest_of(said),
                content=content,
                steps=steps,
            )
        )
        for step in steps:
            body = json.dumps(_event(email_id, content, step, now))
            due_at = datetime.fromisoformat(step.at)
            self._kit.hooks.add(f"msg_{uuid.uuid4().hex}", account, body, due_at)
        return email_id

    def _fate(self, recipient: str, now: datetime) -> tuple[Step, ...]:
        options = self._kit.options.get(ROOM, PROVIDER)
        lag_s = self._kit.random.uniform(options["lag_min_s"], options["lag_max_s"])
        local, _, domain = _bare(recipient).partition("@")
        name, plus, _label = local.partition("+")
        known = domain.lower() == "resend.dev" and name in FATES
        if not known or (name == "suppressed" and plus):
            name = "delivered"
        kinds = FATES[name]
        return tuple(
            Step(
                kind,
                (now + timedelta(seconds=lag_s * (1 + place) / len(kinds))).isoformat(),
                DETAILS.get(kind, {}),
            )
            for place, kind in enumerate(kinds)
        )

    def _limit(self, account: Account | None) -> int:
        if account is not None and account.rate_per_s is not None:
            return account.rate_per_s
        return int(self._kit.options.get(ROOM, PROVIDER)["rate_per_s"])

    def _take(self, account: Account) -> Allowance:
        return self._rate.take(account.id, self._limit(account), account.consumed_per_s)

    def _idle_headers(self, account: Account | None = None) -> dict[str, str]:
        limit = self._limit(account)
        return _rate_headers(Allowance(True, limit, limit, 1))


def _parse(call: Call) -> Any:
    try:
        return json.loads(call.body)
    except ValueError as error:
        raise Problem(422, "validation_error", "The request body is not valid JSON.") from error


def _check_email(email: Any, account: Account, *, in_batch: bool = False) -> None:
    """Raise the Problem Resend would answer with. Unknown fields pass."""
    if not isinstance(email, dict):
        raise Problem(422, "validation_error", "The request body must be an object.")
    for field in ("from", "to", "subject"):
        if not email.get(field):
            raise Problem(422, "missing_required_field", f"Missing `{field}` field.")
    if not any(email.get(field) for field in ("html", "text", "template")):
        raise Problem(422, "missing_required_field", "Missing `html` or `text` field.")
    _check_sender(email["from"], email["to"], account)
    if len(_list(email["to"])) > 50:
        raise Problem(422, "validation_error", "The `to` field accepts at most 50 addresses.")
    for field in ("to", "cc", "bcc", "reply_to"):
        for address in _list(email.get(field)):
            _check_address(field, address)
    for tag in email.get("tags") or ():
        if not isinstance(tag, dict) or not all(
            TAG.fullmatch(str(tag.get(part, ""))) for part in ("name", "value")
        ):
            raise Problem(
                422,
                "validation_error",
                "Tags should only contain ASCII letters, numbers, underscores, or dashes.",
            )
    if in_batch and email.get("attachments"):
        raise Problem(422, "validation_error", "The `attachments` field is not supported in batch.")


def _check_sender(sender: Any, to: Any, account: Account) -> None:
    _check_address("from", sender)
    domain = _bare(sender).rpartition("@")[2].lower()
    if domain == "resend.dev":
        if all(_bare(str(each)).lower().endswith("@resend.dev") for each in _list(to)):
            return
        raise Problem(
            403,
            "validation_error",
            "You can only send testing emails to your own email address. To send emails to other "
            "recipients, please verify a domain at resend.com/domains, and change the `from` "
            "address to an email using this domain.",
        )
    allowed = account.options.get("domains")
    if allowed is not None and domain not in allowed:
        raise Problem(
            403,
            "validation_error",
            f"The {domain} domain is not verified. Please, add and verify your domain on "
            "https://resend.com/domains",
        )


def _check_address(field: str, value: Any) -> None:
    address = _bare(value) if isinstance(value, str) else ""
    if not ADDRESS.fullmatch(address):
        raise Problem(
            422,
            "validation_error",
            f"Invalid `{field}` field. The email address needs to follow the "
            "`email@example.com` or `Name <email@example.com>` format.",
        )
    domain = address.rpartition("@")[2].lower()
    if field == "to" and domain in ("example.com", "test.com"):
        raise Problem(
            422,
            "validation_error",
            "Invalid `to` field. Please use our testing email address instead of domains like "
            f"`{domain}`.",
        )


def _bare(address: str) -> str:
    """`Name <a@b.org>` without the name."""
    named = NAMED.fullmatch(address.strip())
    return (named[1] if named else address).strip()


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _event(email_id: str, content: Json, step: Step, created_at: datetime) -> Json:
    """A webhook's body. source: https://resend.com/docs/webhooks/event-types"""
    data: Json = {
        "created_at": _stamp(created_at),
        "email_id": email_id,
        "message_id": f"<{email_id}@sandbox.resend.dev>",
        "from": content["from"],
        "to": content["to"],
        "subject": content["subject"],
        **step.details,
    }
    if content.get("tags"):
        data["tags"] = {tag["name"]: tag["value"] for tag in content["tags"]}
    at = datetime.fromisoformat(step.at)
    return {"type": step.kind, "created_at": _stamp(at), "data": data}


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _domains(account: Account) -> list[str]:
    allowed = account.options.get("domains")
    return [DEMO_DOMAIN] if allowed is None else list(allowed)


def _domain_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _domain(name: str) -> Json:
    """As listed: without `records`, which only the single domain shows."""
    return {
        "id": _domain_id(name),
        "name": name,
        "status": "verified",
        "created_at": "2026-01-05 09:00:00.000000+00",
        "region": "us-east-1",
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
    }


# source: https://resend.com/docs/api-reference/rate-limit; the policy header is in recordings
def _rate_headers(allowance: Allowance) -> dict[str, str]:
    return {
        "ratelimit-limit": str(allowance.limit),
        "ratelimit-remaining": str(allowance.remaining),
        "ratelimit-reset": str(allowance.reset_s),
        "ratelimit-policy": f"{allowance.limit};w=1",
    }


def _error(problem: Problem, headers: Mapping[str, str]) -> Reply:
    body = {"statusCode": problem.http, "message": problem.message, "name": problem.name}
    return json_reply(problem.http, body, headers)
