"""A person's own second factor: set up, renewed, taken away; and a colleague's, reset."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import segno
from starlette.responses import Response

from mentalspace.console.door import HEADERS, Missing, Visit
from mentalspace.kernel.errors import Refused
from mentalspace.practice.colleague import read_colleagues, reset_colleague
from mentalspace.practice.identity import (
    SESSION_COOKIE,
    LogInRefused,
    require_password,
    session_hash,
)
from mentalspace.practice.second_factor import (
    SecondFactorRefused,
    address_of,
    enrol,
    offer_secret,
    remove,
    renew_recovery_codes,
    require_code,
    second_factor_of,
)

_DONE = {"removed": "The second factor is off.", "reset": "The second factor was reset."}


async def state(visit: Visit) -> Response:
    """What is in force, or what to put into the device."""
    return await _show(visit, done=_DONE.get(visit.query("done")))


async def picture(visit: Visit) -> Response:
    """The offered secret as a QR code, for nobody's cache."""
    services, person = visit.services, visit.person
    secret = await offer_secret(services.database, services.vault, person.user_id)
    if secret is None:
        raise Missing
    drawn = io.BytesIO()
    code = segno.make(address_of(secret, person.email.reveal()), error="m", micro=False)
    code.save(drawn, kind="svg", scale=4, border=4, light="white", svgclass=None, lineclass=None)
    return Response(drawn.getvalue(), 200, dict(HEADERS), "image/svg+xml")


async def change(visit: Visit) -> Response:
    """One of the page's forms. Codes are shown in the answer, at the page's own address, and
    never again."""
    match visit.field("do"):
        case "confirm":
            return await _confirm(visit)
        case "codes":
            return await _renew(visit)
        case "remove":
            return await _turn_off(visit)
        case _:
            raise Missing


async def people(visit: Visit) -> Response:
    assert visit.person.practice_id is not None
    async with visit.reading() as connection:
        found = await read_colleagues(connection, visit.person.practice_id)
    return await visit.show(
        "people.html",
        people=found,
        required=_required(visit),
        done=_DONE.get(visit.query("done")),
    )


async def reset(visit: Visit) -> Response:
    try:
        await reset_colleague(visit.services.database, visit.person, visit.id())
    except Refused as error:
        if error.code == "no_such_colleague":
            raise Missing from error
        raise
    return visit.go("/people?done=reset")


async def _confirm(visit: Visit) -> Response:
    services, person = visit.services, visit.person
    try:
        codes = await enrol(
            services.database, services.vault, person, _session(visit), visit.field("code"), _now()
        )
    except SecondFactorRefused as error:
        return await _show(visit, problem=str(error), http=422)
    return await _show(visit, codes=codes, done="It is on.")


async def _renew(visit: Visit) -> Response:
    services, person = visit.services, visit.person
    try:
        codes = await renew_recovery_codes(
            services.database, services.vault, person, visit.field("code"), _now()
        )
    except SecondFactorRefused as error:
        return await _show(visit, problem=str(error), http=422)
    return await _show(visit, codes=codes)


async def _turn_off(visit: Visit) -> Response:
    services, person = visit.services, visit.person
    try:
        await require_password(services.database, person, visit.field("password"))
        await require_code(services.database, services.vault, person, visit.field("code"), _now())
    except (LogInRefused, SecondFactorRefused) as error:
        return await _show(visit, problem=str(error), http=422)
    await remove(services.database, person, _session(visit), required=_required(visit))
    return visit.go("/second-factor?done=removed")


async def _show(
    visit: Visit,
    *,
    codes: tuple[str, ...] = (),
    problem: str | None = None,
    done: str | None = None,
    http: int = 200,
) -> Response:
    services, person = visit.services, visit.person
    factor = await second_factor_of(services.database, person.user_id)
    secret = None
    if factor is None:
        secret = await offer_secret(services.database, services.vault, person.user_id)
    return await visit.show(
        "second_factor.html",
        http=http,
        factor=factor,
        codes=codes,
        problem=problem,
        done=done,
        required=_required(visit),
        secret_groups=" ".join((secret or "")[n : n + 4] for n in range(0, len(secret or ""), 4)),
    )


def _required(visit: Visit) -> bool:
    return visit.services.settings.is_production


def _session(visit: Visit) -> bytes:
    return session_hash(visit.request.cookies.get(SESSION_COOKIE) or "")


def _now() -> datetime:
    """Real time: a device does not follow a demo's clock."""
    return datetime.now(UTC)
