"""Who asks, by token or by session, and whether they may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import Request

from mentalspace.api.problem import Problem
from mentalspace.engine.db import Connection
from mentalspace.engine.services import Services
from mentalspace.practice.audit import note
from mentalspace.practice.identity import CSRF_HEADER, SESSION_COOKIE, csrf_holds, person_of
from mentalspace.practice.person import Permission, Person
from mentalspace.practice.standing import as_known
from mentalspace.practice.token import TokenRefused, person_of_token

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_BEARER = HTTPBearer(auto_error=False, scheme_name="token", bearerFormat="JWT")
_COOKIE = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description="The console's session. Anything but a GET also needs its X-CSRF-Token.",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one person who may make it."""

    services: Services
    person: Person
    traceparent: str | None = None

    @property
    def practice_id(self) -> UUID:
        """Of everybody but on-call, who has no permission that would ask for it."""
        assert self.person.practice_id is not None
        return self.person.practice_id

    @property
    def actor(self) -> str:
        return self.person.name or str(self.person.user_id)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """The database as this person may see it: on-call names nobody, others see their own."""
        database = self.services.database
        is_oncall = self.person.role == "oncall"
        claims = self.person.claims()
        acting = database.as_oncall(claims) if is_oncall else database.as_user(claims)
        async with acting as connection:
            yield connection

    async def note(self, connection: Connection, action: str, subject: UUID | None = None) -> None:
        """Write down that staff read or changed clients' data."""
        if self.person.role not in ("client", "oncall"):
            await note(
                connection,
                str(self.person.user_id),
                action,
                practice_id=self.practice_id,
                subject=subject,
            )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def signed_in(
    request: Request,
    _token: Annotated[Any, Security(_BEARER)],
    _session: Annotated[Any, Security(_COOKIE)],
) -> Visit:
    """A header that was sent decides alone; without one, the console's cookie."""
    services, trace = services_of(request), getattr(request.state, "traceparent", None)
    if (header := request.headers.get("authorization")) is not None:
        return Visit(services, await _by_token(services, header), trace)
    person = await person_of(services.database, request.cookies.get(SESSION_COOKIE, ""))
    if person is None:
        raise _unauthorized("not_signed_in", "sign in, or send a token")
    if person.must_enrol:
        raise Problem(403, "second_factor_missing", "set up a second factor on the console first")
    if request.method not in _SAFE and not csrf_holds(person, request.headers.get(CSRF_HEADER)):
        raise Problem(
            403, "csrf_missing", "with a session cookie, send its token in X-CSRF-Token as well"
        )
    return Visit(services, person, trace)


def allowed(permission: Permission) -> Any:
    """The dependency of a route that needs `permission`; it gives the Visit."""

    async def check(visit: Annotated[Visit, Depends(signed_in)]) -> Visit:
        if not visit.person.may(permission):
            raise Problem(403, "not_allowed", f"your role does not include {permission}")
        return visit

    return Depends(check)


async def _by_token(services: Services, header: str) -> Person:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthorized("token_invalid", "send Authorization: Bearer, then the token")
    try:
        person = person_of_token(
            services.jwt_secret, token.strip(), before=services.jwt_secret_before
        )
    except TokenRefused as error:
        raise _unauthorized(error.code, str(error)) from error
    known = await as_known(services.database, person)
    if known is None:
        raise _unauthorized("token_invalid", "the token speaks for nobody here any more")
    return known


def _unauthorized(code: str, text: str) -> Problem:
    return Problem(401, code, text, headers={"www-authenticate": "Bearer"})
