"""A client whose name, address and number are like nothing else is booked, written to, and fails in
every way there is; then everything that leaves the ledger is searched for them."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from fastapi import APIRouter

from mentalspace.engine.services import Services
from mentalspace.practice.token import mint_token
from tests.api.test_metrics import door
from tests.house import House, until

GIVEN, FAMILY = "Zyxwanda", "Quorvexley"
EMAIL, PHONE = "zyxwanda.quorvexley@clients.example", "+12025550147"
NOTE = "Fluxolamine twice daily"
MARKS = ("zyxwanda", "quorvexley", "2025550147", "202-555-0147", "fluxolamine")
# How each request to the provider goes wrong, and what the runbook then does with the message.
FAILURES: dict[str, dict[str, Any]] = {
    "retry": {"kind": "status", "http": 503, "message": f"no room for {GIVEN}"},
    "reconcile": {"kind": "reset", "when": "after"},
    "refuse": {"kind": "status", "http": 422, "name": "validation_error",
               "message": f"Invalid `to` field: {EMAIL}"},
    "human": {"kind": "status", "http": 418, "name": "teapot", "message": f"{FAMILY} {NOTE}"},
    "wait": {"kind": "status", "http": 403, "name": "invalid_api_key", "message": EMAIL,
             "times": None},
}  # fmt: skip
_MET = "select count(*) from attempt where disposition = $1"
# Where the provider is meant to read who gets what.
MEANT = frozenset({"to", "html", "text", "subject", "body", "headers"})


async def test_what_names_a_client_is_found_nowhere_outside(
    house: House, logs: Path, admin: asyncpg.Connection[Any]
) -> None:
    """Not in logs, metrics, pages, what the provider is told beside the message itself, the
    timeline, incidents, nor in any column that on-call may read."""
    await _everything_goes_wrong(house)
    await _strangers_at_the_door(house)
    dispositions = await admin.fetch("select distinct disposition from attempt")
    assert {row["disposition"] for row in dispositions} >= set(FAILURES)
    await until(lambda: house.sandbox("GET", "/pages"))
    mails = await house.sandbox("GET", "/mailbox?room=email")
    assert any(EMAIL in json.dumps(mail["content"]) for mail in mails), "nothing was marked"
    async with house.http.get(f"{house.url}/metrics") as answer:
        metrics = await answer.text()
    sinks = {
        "logs": said(logs),
        "metrics": metrics,
        "pages": json.dumps(await house.sandbox("GET", "/pages")),
        "requests": json.dumps(await house.sandbox("GET", "/recorder")),
        "webhooks": json.dumps(await house.sandbox("GET", "/webhooks")),
        "metadata": json.dumps([_beside_the_message(mail) for mail in mails]),
        **await _what_oncall_reads(house, admin),
    }
    assert len(sinks) > 20
    for name, text in sinks.items():
        found = [mark for mark in MARKS if mark in text.lower()]
        assert not found, f"{name}: {found}"


def said(logs: Path) -> str:
    return logs.read_text()


async def _everything_goes_wrong(house: House) -> None:
    await _book(house, "m-good")
    await until(lambda: _seen(house, "select count(*) from delivery where status = 'delivered'"))
    for disposition, fault in FAILURES.items():
        where = {"room": "email", "provider": "resend", "times": 1}
        await house.sandbox("POST", "/faults", {**where, **fault})
        await _book(house, f"m-{disposition}")
        await until(partial(_seen, house, _MET, disposition))


async def _strangers_at_the_door(house: House) -> None:
    """Webhooks that nobody signed, files that cannot be read, and what breaks in our own hands."""
    body = {"type": "email.bounced", "data": {"to": [EMAIL], "bounce": {"message": NOTE}}}
    for headers in ({}, {"svix-id": GIVEN, "svix-timestamp": "1", "svix-signature": FAMILY}):
        url = f"{house.url}/v1/hooks/email/default?who={GIVEN}"
        async with house.http.post(url, json=body, headers=headers) as answer:
            assert answer.status in (400, 401)
    rows = f"external_id,client_name,client_email,starts_at\n{GIVEN},{FAMILY},{EMAIL},{NOTE}\n"
    headers = {**_token(house), "Content-Type": "text/csv"}
    async with house.http.post(f"{house.url}/v1/imports", data=rows, headers=headers) as answer:
        assert answer.status < 500
    odd = {GIVEN: FAMILY, "client_name": 7}
    url = f"{house.url}/v1/appointments"
    async with house.http.post(url, json=odd, headers=_token(house)) as answer:
        assert answer.status == 422
        assert GIVEN not in await answer.text()
    async with house.http.get(f"{house.url}/clients/{GIVEN}?q={FAMILY}") as answer:
        assert answer.status in (200, 404, 422)
    await _what_breaks(house, house.services)


async def _what_breaks(house: House, services: Services) -> None:
    broken = APIRouter()

    @broken.get("/broken/{name}")
    async def fail(name: str) -> None:
        raise RuntimeError(f"{name} {FAMILY} {NOTE}") from ValueError(EMAIL)

    async with door(services, routers=[broken]) as url:
        address = url.replace("/metrics", f"/broken/{GIVEN}")
        async with house.http.get(address) as answer:
            assert answer.status == 500
            assert FAMILY not in await answer.text()


def _beside_the_message(mail: dict[str, Any]) -> dict[str, Any]:
    """What the provider was told of a mail but for what its reader is to read."""
    content = {key: value for key, value in mail["content"].items() if key not in MEANT}
    return {**mail, "content": content, "recipient": None, "title": None}


async def _what_oncall_reads(house: House, admin: asyncpg.Connection[Any]) -> dict[str, str]:
    """Every column that the on-call role may read, by table."""
    tables = await admin.fetch(
        """
        select format('%I.%I', n.nspname, c.relname) as name,
               string_agg(format('%I::text', a.attname), ', ' order by a.attnum) as columns
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
          join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where n.nspname in ('public', 'app', 'oncall') and c.relkind in ('r', 'v', 'p')
           and has_column_privilege('mentalspace_oncall', c.oid, a.attnum, 'select')
         group by 1
        """
    )
    found = {}
    async with house.services.database.as_oncall() as connection:
        for table in tables:
            rows = await connection.fetch(f"select {table['columns']} from {table['name']}")
            found[table["name"]] = "\n".join(str(tuple(row)) for row in rows)
    assert found["public.timeline"]
    return found


async def _book(house: House, external_id: str) -> None:
    body: dict[str, Any] = {
        "external_id": external_id,
        "client_external_id": f"{FAMILY}-{external_id}",
        "client_name": f"{GIVEN} {FAMILY}",
        "client_email": EMAIL,
        "client_phone": PHONE,
        "starts_at": (house.services.clock.now() + timedelta(hours=20)).isoformat(),
        "duration_min": 50,
    }
    url = f"{house.url}/v1/appointments"
    async with house.http.post(url, json=body, headers=_token(house)) as answer:
        assert answer.status == 201, await answer.text()


def _token(house: House) -> dict[str, str]:
    token = mint_token(
        house.services.jwt_secret,
        user_id=uuid4(),
        role="administrator",
        practice_id=house.practice_id,
        client_id=None,
    )
    return {"Authorization": f"Bearer {token}"}


async def _seen(house: House, sql: str, *given: Any) -> int:
    async with house.services.database.as_dispatcher() as connection:
        count: int = await connection.fetchval(sql, *given)
    return count
