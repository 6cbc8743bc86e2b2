"""A landed document's way to the practice's storage provider, and its end there."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.integrations.storage.desk import desk_of
from mentalspace.integrations.storage.document import Document
from mentalspace.integrations.storage.purge import purge_due
from mentalspace.integrations.storage.shipping import ship, withdraw
from mentalspace.practice.token import mint_token
from mentalspace.workflows.demo_documents import BRISK_S, demo_documents
from tests.house import House, until

SCAN = b"%PDF-1.7 a made-up scan of nobody"


async def test_a_document_is_copied_verified_and_removed(house: House, tmp_path: Path) -> None:
    """Copied once however often it is shipped, read back a quarter of an hour later, and gone
    there some minutes after it was removed here."""
    document = _landed(tmp_path / "scan")
    services = house.services
    async with services.database.as_worker(house.practice_id) as connection:
        first = await ship(connection, services.vault, house.practice_id, document)
        assert first is not None
        assert await ship(connection, services.vault, house.practice_id, document) == first
    await until(lambda: _is(house, first, "accepted"))
    assert await _at_provider(house, document) == (200, SCAN)
    await house.advance(timedelta(minutes=16))
    await until(lambda: _is(house, first, "delivered"))
    assert "provider_event" in await house.timeline(first)
    async with services.database.as_worker(house.practice_id) as connection:
        now = services.clock.now()
        removal = await withdraw(
            connection, services.vault, house.practice_id, document.version, now=now
        )
    assert removal is not None
    assert (await _at_provider(house, document))[0] == 200
    await house.advance(timedelta(minutes=11))
    await until(lambda: _is(house, removal, "accepted"))
    assert (await _at_provider(house, document))[0] == 400


async def test_what_was_removed_before_it_left_stays(house: House, tmp_path: Path) -> None:
    """A copy that waits is cancelled, and nobody misses its file."""
    document = _landed(tmp_path / "scan")
    services = house.services
    fault = {"room": "storage", "provider": "supabase", "kind": "status", "http": 402}
    await house.sandbox("POST", "/faults", fault)
    async with services.database.as_worker(house.practice_id) as connection:
        waits = await ship(connection, services.vault, house.practice_id, document)
    assert waits is not None
    await until(lambda: _is(house, waits, "pending", tried=True))
    async with services.database.as_worker(house.practice_id) as connection:
        now = services.clock.now()
        await withdraw(connection, services.vault, house.practice_id, document.version, now=now)
    assert await _is(house, waits, "cancelled")


async def test_what_a_colleague_adds_is_copied_and_goes_with_it(house: House) -> None:
    """Through our own surface: each version is copied under ids of ours and no word of the file's
    name; the one that is replaced is taken back, and so is the one that is deleted, but not before
    their time is over."""
    client_id, headers = await _front_desk_and_client(house)
    name = f"{client_id}/told-by-a-name.pdf"
    address = f"{house.url}/storage/v1/object/client-documents/{name}"
    for number, content in enumerate((SCAN, SCAN + b", again"), start=1):
        async with house.http.post(address, data=content, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        await until(partial(_came_to, house, "document", "accepted", number))
    async with house.http.delete(address, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    assert {row["kind"] for row in await _storage_rows(house)} == {"document"}
    async with connect_owner(house.services.admin_url) as owner:
        await owner.execute("update storage.archived set purge_at = app.now()")
    assert await purge_due(desk_of(house.services)) == 2
    rows = await _storage_rows(house)
    assert sorted(row["kind"] for row in rows) == ["document"] * 2 + ["removal"] * 2
    assert {row["client_id"] for row in rows} == {client_id}
    assert "told-by-a-name" not in str(rows)
    await house.advance(timedelta(minutes=11))
    await until(lambda: _came_to(house, "removal", "accepted", 2))
    left = await house.sandbox("GET", "/recorder?room=storage")
    assert len([entry for entry in left if entry["method"] == "DELETE"]) == 2


async def test_the_demos_day_puts_documents_up_at_a_modest_rate(house: House) -> None:
    """Once a few clients are here: a client's letter, copied as anybody's; not two at once."""
    for number in range(3):
        assert not await _storage_rows(house)
        await demo_documents(house.services, Random(number))
        await house.book(f"c{number}@demo.example", external_id=f"a-{number}")
    await demo_documents(house.services, Random(7))
    await until(partial(_came_to, house, "document", "accepted", 1))
    await demo_documents(house.services, Random(8))
    assert len(await _storage_rows(house)) == 1
    await house.advance(timedelta(seconds=BRISK_S + 1))
    await demo_documents(house.services, Random(9))
    await until(partial(_came_to, house, "document", "accepted", 2))
    clients = {row["client_id"] for row in await _storage_rows(house)}
    assert None not in clients


def _landed(path: Path) -> Document:
    path.write_bytes(SCAN)
    return Document(
        kind="document",
        bucket="client-documents",
        object_id=str(uuid4()),
        version=str(uuid4()),
        size_bytes=len(SCAN),
        sha256=hashlib.sha256(SCAN).hexdigest(),
        media_type="application/pdf",
        landed=str(path),
    )


async def _front_desk_and_client(house: House) -> tuple[UUID, dict[str, str]]:
    """A client who has an appointment, and the front desk's authorisation to add a PDF."""
    await house.book()
    async with house.services.database.as_door() as connection:
        user_id = await connection.fetchval(
            "select user_id from membership where role = 'front_desk' and practice_id = $1",
            house.practice_id,
        )
    async with house.services.database.as_worker(house.practice_id) as connection:
        client_id: UUID = await connection.fetchval("select id from client limit 1")
    token = mint_token(
        house.services.jwt_secret,
        user_id=user_id,
        role="front_desk",
        practice_id=house.practice_id,
        client_id=None,
    )
    return client_id, {
        "Authorization": f"Bearer {token}",
        "content-type": "application/pdf",
        "x-upsert": "true",
    }


async def _storage_rows(house: House) -> list[dict[str, Any]]:
    async with connect_owner(house.services.admin_url) as owner:
        rows = await owner.fetch(
            "select kind, status, client_id, idempotency_key, provider_message_id from delivery"
            " where integration = 'storage'"
        )
    return [dict(row) for row in rows]


async def _came_to(house: House, kind: str, status: str, count: int) -> bool:
    found = [row["status"] for row in await _storage_rows(house) if row["kind"] == kind]
    return found == [status] * count


async def _is(house: House, delivery_id: UUID, status: str, *, tried: bool = False) -> bool:
    found = [each for each in await house.deliveries() if each["id"] == delivery_id]
    return found[0]["status"] == status and (found[0]["attempts"] > 0 or not tried)


async def _at_provider(house: House, document: Document) -> tuple[int, bytes]:
    async with connect_owner(house.services.admin_url) as owner:
        secrets = await read_secrets(owner, house.services.vault, "storage", "default")
    assert secrets is not None
    sandbox = f"{house.services.settings.sandbox_url}/storage/supabase/storage/v1"
    headers = {"apikey": secrets["service_role_key"]}
    async with house.http.get(f"{sandbox}/object/{document.place}", headers=headers) as answer:
        return answer.status, await answer.read()
