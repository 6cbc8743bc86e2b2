"""Reads a request: who asks, for which file, and what stands in a small JSON body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from mentalspace.integrations.storage.desk import Desk, desk_of
from mentalspace.integrations.storage.link import Scope
from mentalspace.integrations.storage.model import is_bucket_name, is_key
from mentalspace.integrations.storage.refusal import (
    BAD_BUCKET_NAME,
    BAD_KEY,
    BAD_REQUEST,
    LINK_BROKEN,
    LINK_ENDED,
    LINK_EXPIRED,
    NO_AUTHORIZATION,
    NOT_OF_SESSION,
    SESSION_ENDED,
    TOKEN_EXPIRED,
    TOKEN_MALFORMED,
    TOKEN_UNSIGNED,
    TOO_LARGE,
    Refused,
)
from mentalspace.integrations.storage.routes.answer import services_of
from mentalspace.integrations.storage.store import links
from mentalspace.integrations.storage.store.acting import Deed, acting, write_link_refusal_down
from mentalspace.practice.identity import CSRF_HEADER, SESSION_COOKIE, csrf_holds, person_of
from mentalspace.practice.person import Person
from mentalspace.practice.standing import as_known
from mentalspace.practice.token import TokenRefused, person_of_token

_LARGEST_JSON = 2**20
_LARGEST_METADATA = 8 * 1024


def desk_for(request: Request) -> Desk:
    return desk_of(services_of(request))


async def deed_of(request: Request, operation: str) -> Deed:
    """What the bearer of a token asks for, or a page of the console in its session's name.

    Raises Refused for whoever is nobody here.
    """
    header = request.headers.get("authorization")
    if header is None:
        return await _deed_of_session(request, operation)
    return deed_for(request, await _bearer(request, header), operation)


async def visitor_of(request: Request) -> Person | None:
    """Who holds a link, as far as they say so by a token or are signed in at the console. Raises
    Refused for a token that is none."""
    if (header := request.headers.get("authorization")) is not None:
        return await _bearer(request, header)
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        return None
    person = await person_of(services_of(request).database, cookie)
    return None if person is None or person.must_enrol else person


async def _bearer(request: Request, header: str) -> Person:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token.count(".") != 2:
        raise Refused(TOKEN_MALFORMED)
    services = services_of(request)
    try:
        person = person_of_token(services.jwt_secret, token, before=services.jwt_secret_before)
    except TokenRefused as error:
        expired = error.code == "token_expired"
        raise Refused(TOKEN_EXPIRED if expired else TOKEN_UNSIGNED) from error
    return await known(request, person)


async def _deed_of_session(request: Request, operation: str) -> Deed:
    """A browser sends a cookie for any site that asks it to, and the session's token for none but
    our own pages: even to read, both are needed here. Such a page holds no token of the API, and
    what it may do ends with the session. Raises Refused."""
    if (token := request.headers.get(CSRF_HEADER)) is None:
        raise Refused(NO_AUTHORIZATION)
    cookie = request.cookies.get(SESSION_COOKIE, "")
    person = await person_of(services_of(request).database, cookie)
    if person is None or person.must_enrol:
        raise Refused(SESSION_ENDED)
    if not csrf_holds(person, token):
        raise Refused(NOT_OF_SESSION)
    request.state.is_known = True
    return deed_for(request, person, operation)


def deed_for(request: Request, person: Person, operation: str) -> Deed:
    """What somebody asks for whom another door let in."""
    return Deed(person, operation, request.method, request.url.path)


async def deed_of_link(request: Request, scope: Scope, operation: str) -> tuple[Deed, bool]:
    """What the holder of a signed link asks for, as whoever made it; and whether it may replace a
    file. A link dies with its maker's account, with their right to the file, and once it was
    ended."""
    token = request.query_params.get("token", "")
    return await _deed_of_token(request, token, scope, "/".join(place_of(request)), operation)


async def deed_of_signature(request: Request, key: str, operation: str) -> tuple[Deed, bool]:
    """The same of a link to put `key` in whose token stands in a header, as uploads in pieces send
    it."""
    token = request.headers.get("x-signature", "")
    return await _deed_of_token(request, token, "upload", key, operation)


def place_of(request: Request) -> tuple[str, str]:
    """The bucket and the file's name, out of the address. Raises Refused."""
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    return bucket_of(bucket), name_of(name)


def bucket_of(given: Any) -> str:
    if not isinstance(given, str) or not is_bucket_name(given):
        raise Refused(BAD_BUCKET_NAME)
    return given


def name_of(given: Any) -> str:
    if not isinstance(given, str) or not is_key(given):
        raise Refused(BAD_KEY)
    return given


async def json_of(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The body, an object. Raises Refused."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _LARGEST_JSON:
            raise Refused(TOO_LARGE)
    if optional and not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refused(BAD_REQUEST, "The body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(BAD_REQUEST, "The body is not a JSON object")
    return body


def whole_number(
    body: Mapping[str, Any], field: str, default: int, *, least: int, most: int
) -> int:
    """A number, or text that is one: the Python client sends seconds as text. Raises Refused."""
    given = body.get(field, default)
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise Refused(BAD_REQUEST, f"{field}: give a whole number from {least} to {most}")
    return given


def text(body: Mapping[str, Any], field: str) -> str:
    given = body.get(field) or ""
    if not isinstance(given, str) or len(given) > 1024 or "\0" in given:
        raise Refused(BAD_REQUEST, f"{field}: give text of at most 1024 letters")
    return given


def user_metadata(encoded: str | None, plain: str | None) -> dict[str, Any] | None:
    """What a person wrote of a file: base64 in a header, or JSON in a form. Raises Refused."""
    if encoded is None and plain is None:
        return None
    try:
        raw = base64.b64decode(encoded, validate=True) if encoded else (plain or "").encode()
        if len(raw) > _LARGEST_METADATA:
            raise Refused(BAD_REQUEST, "The metadata is longer than 8 KiB")
        said = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Refused(BAD_REQUEST, "The metadata is not JSON") from error
    if not isinstance(said, dict):
        raise Refused(BAD_REQUEST, "The metadata is not a JSON object")
    return said


async def _deed_of_token(
    request: Request, token: str, scope: Scope, key: str, operation: str
) -> tuple[Deed, bool]:
    if not token:
        raise Refused(LINK_BROKEN)
    desk = desk_for(request)
    link = desk.links.open(token, scope, key, desk.clock.now())
    person = await known(request, link.person)
    deed = Deed(person, operation, request.method, request.url.path, link.id)
    async with acting(desk.database, deed) as connection:
        state = await links.state_of(connection, link.id, None)
    if state != "open":
        await write_link_refusal_down(desk.database, deed.practice_id, link.id, state, None)
        raise Refused(LINK_EXPIRED if state == "expired" else LINK_ENDED)
    return deed, link.upsert


async def known(request: Request, person: Person) -> Person:
    """The person, if they are still who they were. Raises Refused."""
    found = await as_known(services_of(request).database, person)
    if found is None:
        raise Refused(TOKEN_UNSIGNED, "The token speaks for nobody here any more")
    request.state.is_known = True
    return found
