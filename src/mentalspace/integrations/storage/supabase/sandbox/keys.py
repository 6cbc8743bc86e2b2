"""Who asks: a project's keys, old and new, and the tokens that it signs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call
from mentalspace.integrations.storage.supabase.sandbox.errors import GatewayProblem, Problem
from mentalspace.integrations.storage.supabase.sandbox.visit import Asker
from mentalspace.integrations.storage.supabase.sandbox.words import PROVIDER, ROOM, Json

# Signs the demo's own tokens; never valid anywhere else.
DEMO_JWT_SECRET = "sandbox-only-jwt-secret-of-at-least-32-bytes"  # noqa: S105

# The signature alone: what time it is, the sandbox says.
_UNDATED: Any = {f"verify_{name}": False for name in ("aud", "exp", "iat", "nbf")}


def secret_of(account: Account) -> str:
    """What the project signs its tokens with: as registered, or one of its own that lasts."""
    told = account.profile.get("jwt_secret")
    if told:
        return str(told)
    return hmac.digest(DEMO_JWT_SECRET.encode(), account.id.encode(), hashlib.sha256).hex()


def sign(account: Account, claims: Json) -> str:
    return jwt.encode(claims, secret_of(account), "HS256")


def read(account: Account, token: str, now: datetime) -> Json:
    """A token's claims, by the sandbox's clock. Raises Problem in the words of the library that
    Supabase uses."""
    if token.count(".") != 2:
        raise Problem("AccessDenied", "Invalid Compact JWS")
    try:
        claims: Json = jwt.decode(token, secret_of(account), ["HS256"], options=_UNDATED)
    except jwt.InvalidSignatureError as error:
        raise Problem("AccessDenied", "signature verification failed") from error
    except jwt.PyJWTError as error:
        raise Problem("AccessDenied", "Invalid Compact JWS") from error
    if claims.get("exp", 0) <= now.timestamp():
        raise Problem("AccessDenied", '"exp" claim timestamp check failed')
    return claims


def bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def project_of(kit: Kit, call: Call) -> Account | None:
    """By either key that the call carries; else by whose secret its token was signed with."""
    for key in (call.headers.get("apikey"), bearer(call.headers)):
        if key and (account := kit.accounts.by_key(ROOM, PROVIDER, key)) is not None:
            return account
    token = bearer(call.headers)
    return signer_of(kit, token) if token else None


def signer_of(kit: Kit, token: str) -> Account | None:
    """The newest project that signed this token, expired or not."""
    if token.count(".") != 2:
        return None
    for account in reversed(projects(kit)):
        try:
            jwt.decode(token, secret_of(account), ["HS256"], options=_UNDATED)
        except jwt.PyJWTError:
            continue
        return account
    return None


def projects(kit: Kit) -> list[Account]:
    return [a for a in kit.accounts.all() if (a.room, a.provider) == (ROOM, PROVIDER)]


def asker_of(kit: Kit, call: Call, account: Account | None) -> Asker:
    """As whom the database is asked. Raises Problem, or GatewayProblem for a key that is none.

    A project's secret key stands for `service_role`, in `apikey` alone or as the token too.
    source: https://supabase.com/docs/guides/api/api-keys
    """
    apikey, token = call.headers.get("apikey"), bearer(call.headers)
    given = token or apikey
    if apikey and apikey.startswith("sb_") and not _is_key(kit, apikey):
        raise GatewayProblem(401)
    if given is None:
        raise Problem("MissingAuthorization")
    if token is None and not given.startswith("sb_"):
        raise Problem("MissingAuthorization")
    if _is_key(kit, given):
        return Asker("service_role")
    if account is None:
        told = "signature verification failed" if given.count(".") == 2 else "Invalid Compact JWS"
        raise Problem("AccessDenied", told)
    claims = read(account, given, call.at)
    subject = claims.get("sub")
    return Asker(str(claims.get("role", "anon")), subject if isinstance(subject, str) else None)


def _is_key(kit: Kit, key: str) -> bool:
    return kit.accounts.by_key(ROOM, PROVIDER, key) is not None
