"""Signed links: one file, one way, for a while, and no more than whoever made it may do.

A plain link is Supabase's: its token names the file and its maker. A guarded one names its row
alone, which knows the rest: what it opens, for whom, and how often.
"""

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
_GUARDED = "guarded"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link lets its holder do, as the person who made it."""

    id: UUID
    person: Person
    upsert: bool


@dataclass(frozen=True, slots=True)
class Guarded:
    """Which row a guarded link is; `expired` by the time that its token says."""

    id: UUID
    practice_id: UUID
    expired: bool


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
        link_id: UUID | None = None,
        upsert: bool = False,
    ) -> str:
        """`url` is the bucket and the file's name, with a slash between."""
        claims = {
            "url": url,
            "scope": scope,
            "owner": str(person.user_id),
            "practice": str(person.practice_id),
            "practice_role": person.role,
            "client": None if person.client_id is None else str(person.client_id),
            "upsert": upsert,
        }
        return self._signed(claims, link_id or uuid4(), now, lasts)

    def sign_guarded(
        self, practice_id: UUID, link_id: UUID, now: datetime, lasts: timedelta
    ) -> str:
        """A token that says nothing of the file: its address may lie in a log."""
        return self._signed({"scope": _GUARDED, "practice": str(practice_id)}, link_id, now, lasts)

    def open(self, token: str, scope: Scope, url: str, now: datetime) -> Link:
        """Raises Refused unless it was signed here, for this, and still holds at `now`."""
        claims = self._claims(token)
        if claims.get("scope") != scope or claims.get("url") != url:
            raise Refused(LINK_UNFIT)
        try:
            expired = _is_over(claims, now)
            link = Link(UUID(claims["jti"]), _person(claims), claims.get("upsert") is True)
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(LINK_BROKEN) from error
        if expired:
            raise Refused(LINK_EXPIRED)
        return link

    def open_guarded(self, token: str, now: datetime) -> Guarded:
        """Raises Refused unless it is a guarded link that was signed here."""
        claims = self._claims(token)
        if claims.get("scope") != _GUARDED:
            raise Refused(LINK_UNFIT)
        try:
            return Guarded(UUID(claims["jti"]), UUID(claims["practice"]), _is_over(claims, now))
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(LINK_BROKEN) from error

    def _signed(
        self, claims: dict[str, Any], link_id: UUID, now: datetime, lasts: timedelta
    ) -> str:
        times = {"iat": int(now.timestamp()), "exp": int((now + lasts).timestamp())}
        whole = {**claims, **times, "jti": link_id.hex}
        return jwt.encode(whole, self._keys[0], algorithm=_ALGORITHM)

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


def _is_over(claims: dict[str, Any], now: datetime) -> bool:
    return now.timestamp() >= int(claims["exp"])


def _person(claims: dict[str, Any]) -> Person:
    client = claims["client"]
    return maker(
        UUID(claims["owner"]),
        claims["practice_role"],
        UUID(claims["practice"]),
        None if client is None else UUID(client),
    )


def maker(user_id: UUID, role: Any, practice_id: UUID, client_id: UUID | None) -> Person:
    """Whoever made a link, before it is known whether they are still here. Raises ValueError."""
    if role not in ROLES:
        raise ValueError("a role we do not know")
    return Person(
        user_id=user_id,
        name="",
        email=Phi(""),
        role=role,
        practice_id=practice_id,
        practice_name=None,
        client_id=client_id,
        csrf="",
    )


def _key(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"mentalspace|storage links").derive(secret.encode())
