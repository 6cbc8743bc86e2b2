"""Bearer tokens with Supabase's claims, so that one set of policies serves both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import jwt

from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.phi import Phi
from mentalspace.practice.person import ROLES, Person, Role

LIFETIME = timedelta(hours=1)
_ALGORITHM = "HS256"
# source: https://supabase.com/docs/guides/auth/jwt-fields
_AUDIENCE = "authenticated"

TokenCode = Literal["token_invalid", "token_expired"]


class TokenRefused(MentalSpaceError):
    """The token is not ours, is bent, or has expired; `code` says which."""

    def __init__(self, code: TokenCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def mint_token(
    secret: str,
    *,
    user_id: UUID,
    role: Role,
    practice_id: UUID | None = None,
    client_id: UUID | None = None,
    lifetime: timedelta = LIFETIME,
) -> str:
    """A signed token in real time. Raises ValueError for a role without its practice."""
    _require_whole(role, practice_id, client_id)
    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id),
        "role": "authenticated",
        "aud": _AUDIENCE,
        "iat": now,
        "exp": now + lifetime,
        "practice": None if practice_id is None else str(practice_id),
        "practice_role": role,
        "client": None if client_id is None else str(client_id),
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def person_of_token(secret: str, token: str, *, before: str | None = None) -> Person:
    """Whom a token speaks for, with no look at the database. Raises TokenRefused.

    `before` is the secret that signed until lately: a rotation turns nobody away.
    """
    try:
        return _person_of(secret, token)
    except TokenRefused as error:
        if before is None or error.code == "token_expired":
            raise
        return _person_of(before, token)


def _person_of(secret: str, token: str) -> Person:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            options={"require": ["sub", "exp", "iat", "aud"]},
        )
        return _person(claims)
    except jwt.ExpiredSignatureError as error:
        raise TokenRefused("token_expired", "the token has expired; ask for a new one") from error
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise TokenRefused(
            "token_invalid", "the token is not one of ours, or is damaged"
        ) from error


def _person(claims: dict[str, Any]) -> Person:
    role = claims.get("practice_role")
    if claims.get("role") != "authenticated" or role not in ROLES:
        raise ValueError("a role we do not know")
    practice_id, client_id = _id(claims.get("practice")), _id(claims.get("client"))
    _require_whole(role, practice_id, client_id)
    return Person(
        user_id=UUID(claims["sub"]),
        name="",
        email=Phi(""),
        role=role,
        practice_id=practice_id,
        practice_name=None,
        client_id=client_id,
        csrf="",
    )


def _require_whole(role: Role, practice_id: UUID | None, client_id: UUID | None) -> None:
    if (role == "oncall") != (practice_id is None):
        raise ValueError("every role but oncall belongs to a practice")
    if (role == "client") != (client_id is not None):
        raise ValueError("a client's token names the client, and nobody else's does")


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
