"""Signed links: one file, one way, for a while, and no more than whoever made it may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mentalspace.integrations.storage.refusal import (
    LINK_BROKEN,
    LINK_EXPIRED,
    LINK_UNFIT,
    Refused,
)
from mentalspace.kernel.phi import Phi
from mentalspace.practice.person import ROLES, Person

Scope = Literal["download", "upload"]

LASTS = timedelta(hours=1)
UPLOAD_LASTS = timedelta(hours=2)
LONGEST = timedelta(days=7)
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link lets its holder do, as the person who made it."""

    person: Person
    upsert: bool


class Links:
    """Signs under the first secret; what any of them signed holds. The key is another than that of
    people's tokens, so that neither can be taken for the other."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [_key(secret) for secret in secrets]

    def sign(
        self,
        person: Person,
        scope: Scope,
        url: str,
        now: datetime,
        lasts: timedelta,
        *,
        upsert: bool = False,
    ) -> str:
        """`url` is the bucket and the file's name, with a slash between."""
        claims = {
            "url": url,
            "scope": scope,
            "iat": int(now.timestamp()),
            "exp": int((now + lasts).timestamp()),
            "jti": uuid4().hex,
            "owner": str(person.user_id),
            "practice": str(person.practice_id),
            "practice_role": person.role,
            "client": None if person.client_id is None else str(person.client_id),
            "upsert": upsert,
        }
        return jwt.encode(claims, self._keys[0], algorithm=_ALGORITHM)

    def open(self, token: str, scope: Scope, url: str, now: datetime) -> Link:
        """Raises Refused unless it was signed here, for this, and still holds at `now`."""
        claims = self._claims(token)
        if claims.get("scope") != scope or claims.get("url") != url:
            raise Refused(LINK_UNFIT)
        try:
            expired = now.timestamp() >= int(claims["exp"])
            link = Link(_person(claims), claims.get("upsert") is True)
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(LINK_BROKEN) from error
        if expired:
            raise Refused(LINK_EXPIRED)
        return link

    def _claims(self, token: str) -> dict[str, Any]:
        for key in self._keys:
            try:
                # Whether it has expired is judged by our own clock.
                return jwt.decode(
                    token,
                    key,
                    algorithms=[_ALGORITHM],
                    options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
                )
            except jwt.PyJWTError:
                continue
        raise Refused(LINK_BROKEN)


def _person(claims: dict[str, Any]) -> Person:
    role = claims["practice_role"]
    if role not in ROLES:
        raise ValueError("a role we do not know")
    client = claims["client"]
    return Person(
        user_id=UUID(claims["owner"]),
        name="",
        email=Phi(""),
        role=role,
        practice_id=UUID(claims["practice"]),
        practice_name=None,
        client_id=None if client is None else UUID(client),
        csrf="",
    )


def _key(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"mentalspace|storage links").derive(secret.encode())
