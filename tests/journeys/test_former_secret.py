"""Somebody enters a wrong address; whoever is called has no secret to enter, and brings the former
one back."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from mentalspace.engine.credentials import NewCredential
from mentalspace.engine.db import connect_owner
from mentalspace.engine.former import Former, read_former
from mentalspace.kernel.errors import Refused
from mentalspace.practice.tenancy import store
from mentalspace.workflows.former_secret import (
    Wish,
    bring_back,
    forget,
    forget_due,
    look_at_former,
)
from tests.console.test_burning import words
from tests.console.test_doors import _csrf as csrf_of
from tests.console.test_doors import log_in
from tests.house import House, stored_secrets, until

NOWHERE = "http://127.0.0.1:9"
WHY = "the address was mistyped"


async def test_a_wrong_address_ends_with_the_former_one(house: House, logs: Path) -> None:
    """The page recommends it once it is answered well, and says how many would leave; all of it
    leaves, who and why stand in timeline and audit, and what it replaced can be brought back. A
    second press of the same page changes nothing. Nothing of a secret is told anywhere."""
    credential_id, secrets = await _enter(house, NOWHERE)
    for number in range(6):
        await house.book(f"p{number}@demo.example", external_id=f"a-{number}")
    [incident, *_others] = await until(house.incidents)
    where, jar = f"/incidents/{incident['id']}", aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(house.url, cookie_jar=jar) as http:
        await log_in(http, "oncall@demo.example", house.app.demo_password)
        csrf = {"csrf": await csrf_of(http)}
        page = await _read(http, where)
        assert "Now: Bring back the former one" in page
        assert "New address entered: the address, still at 127.0.0.1" in page
        assert "Theo Brandt" in page
        page = await _read(http, f"{where}/acts/bring_back")
        assert "Resend was asked with it just now, and answers it well" in page
        assert "to 6 people would leave by it at once" in page
        version = await _version(house, credential_id)
        form = {**csrf, "reason": WHY, "version": str(version)}
        async with http.post(f"{where}/acts/bring_back", data={**form, "reason": ""}) as answer:
            assert answer.status == 409
        async with http.post(f"{where}/acts/bring_back", data=form) as answer:
            assert answer.status == 200
            assert "The former one is in use again" in words(await answer.text())
        await until(lambda: _all(house, "delivered"))
        async with http.post(f"{where}/acts/bring_back", data=form) as answer:
            assert answer.status == 409
            assert "has brought it back already" in words(await answer.text())
        page = await _read(http, where)
        assert f"The former one brought back: {WHY}" in page
        fleet = await _read(http, "/")
        assert "The former one brought back" in fleet
        assert "New address entered" in fleet
        assert "by Theo Brandt: the address, still at 127.0.0.1: another port or path" in fleet
        everything = page + fleet + await _read(http, f"/credentials/{credential_id}")
    assert await stored_secrets(house) == secrets
    former = await _former(house, credential_id)
    assert former is not None
    assert former.base_url == NOWHERE
    assert former.entered_by == "Theo Brandt"
    audit = await _audit(house)
    assert {"credential_set", "incident.bring_back"} <= {row["action"] for row in audit}
    [told] = [row for row in audit if row["data"].get("former") == "brought back"]
    assert told["data"]["reason"] == WHY
    assert told["actor"] == await _user_id(house)
    said = everything + json.dumps([dict(row["data"]) for row in audit])
    said += logs.read_text()  # noqa: ASYNC240 (the loop is the test's own)
    assert not [secret for secret in secrets.values() if secret in said]


async def test_what_is_not_answered_well_takes_a_persons_word(house: House) -> None:
    """The former one is asked where it stood; refused there it is told so before anybody presses,
    and is used only all the same."""
    credential_id, secrets = await _enter(house, None, {"api_key": "re_unknown_to_resend"})
    look = await look_at_former(house.services, credential_id)
    assert look.well
    await bring_back(house.services, credential_id, _wish(look.version))
    assert await stored_secrets(house) == secrets
    look = await look_at_former(house.services, credential_id)
    assert not look.well
    assert "Resend was asked with it just now, and does not answer it well" in look.would[0]
    assert "re_unknown" not in str(look)
    with pytest.raises(Refused, match="tick the box"):
        await bring_back(house.services, credential_id, _wish(look.version))
    wish = _wish(look.version, untried=True)
    await bring_back(house.services, credential_id, wish)
    assert (await stored_secrets(house))["api_key"] == "re_unknown_to_resend"
    with pytest.raises(Refused, match="look again"):
        await bring_back(house.services, credential_id, wish)


async def test_what_no_key_opens_is_replaced_by_what_one_does(house: House) -> None:
    """As after a database was restored under another master key, and mended by hand."""
    credential_id, secrets = await _enter(house, NOWHERE)
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update credential set secrets = 'x' where id = $1", credential_id)
    look = await look_at_former(house.services, credential_id)
    assert look.well
    await bring_back(house.services, credential_id, _wish(look.version))
    assert await stored_secrets(house) == secrets


async def test_it_is_wiped_when_its_time_is_over_and_at_a_word(house: House) -> None:
    """By the worker after a week, with an entry in the audit; or by a person who says why."""
    credential_id, _secrets = await _enter(house, NOWHERE)
    assert await forget_due(house.services) == 0
    look = await look_at_former(house.services, credential_id)
    with pytest.raises(Refused, match="say why"):
        await forget(house.services, credential_id, _wish(look.version, reason=" "))
    await forget(house.services, credential_id, _wish(look.version))
    assert await _rows(house) == 0
    look = await look_at_former(house.services, credential_id)
    assert look.refusal is not None
    assert look.refusal.startswith("No former one is kept")
    await _enter(house, "http://127.0.0.1:10")
    assert await _rows(house) == 1
    await house.advance(timedelta(days=7, minutes=1))
    await forget_due(house.services)
    assert await _rows(house) == 0
    did = {row["action"] for row in await _audit(house)}
    assert {"lane.forget_former", "former_secret_forgotten"} <= did


def _wish(version: int, *, reason: str = WHY, untried: bool = False) -> Wish:
    return Wish("Noor", "Noor", reason, version, untried=untried)


async def _enter(
    house: House, base_url: str | None, other: dict[str, str] | None = None
) -> tuple[UUID, dict[str, str]]:
    """As a colleague would on the command line; the credential, and its secrets before."""
    services, secrets = house.services, await stored_secrets(house)
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        row = await owner.fetchrow(
            "select id, base_url from credential where integration = 'email'"
            " and endpoint = 'default'"
        )
        assert row is not None
        new = NewCredential(
            house.practice_id,
            "email",
            "default",
            base_url or row["base_url"],
            False,
            {**secrets, **(other or {})},
        )
        provider = services.rooms["email"].provider("resend")
        kept = services.vault, provider, new, services.settings
        await store(owner, *kept, actor="Theo Brandt")
    return row["id"], secrets


async def _read(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as answer:
        assert answer.status == 200, path
        return words(await answer.text())


async def _all(house: House, status: str) -> bool:
    return {one["status"] for one in await house.deliveries()} == {status}


async def _version(house: House, credential_id: UUID) -> int:
    async with house.services.database.as_oncall() as connection:
        version: int = await connection.fetchval(
            "select version from credential where id = $1", credential_id
        )
    return version


async def _former(house: House, credential_id: UUID) -> Former | None:
    async with house.services.database.as_oncall() as connection:
        return await read_former(connection, credential_id)


async def _rows(house: House) -> int:
    async with house.services.database.as_oncall() as connection:
        count: int = await connection.fetchval("select count(*) from credential_former")
    return count


async def _audit(house: House) -> list[Any]:
    async with connect_owner(house.services.admin_url) as owner:
        return list(await owner.fetch("select actor, action, data from audit order by id"))


async def _user_id(house: House) -> str:
    async with connect_owner(house.services.admin_url) as owner:
        found = await owner.fetchval("select id from app_user where email = 'oncall@demo.example'")
    return str(found)
