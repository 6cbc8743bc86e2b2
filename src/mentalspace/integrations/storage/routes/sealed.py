"""What was found harmful: listed for staff who may see it, and released by an administrator."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mentalspace.integrations.storage.check import Landed, let_go_out
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.model import client_of
from mentalspace.integrations.storage.refusal import NO_OBJECT, NOT_ALLOWED, Refused
from mentalspace.integrations.storage.routes.ask import deed_of, desk_for, place_of
from mentalspace.integrations.storage.shipping import forget_sealed
from mentalspace.integrations.storage.store import objects, scans
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)

_SEALED = """
select f.id, f.bucket_id, f.name, f.created_at, s.scanner, s.finding
  from storage.file f join storage.scan s using (practice_id, version)
 where s.state = 'infected' order by f.created_at, f.id limit 1000
"""
# What says that it is an administrator's to do, in place of a policy.
_RELEASING = "storage.release"


async def list_sealed(request: Request) -> Response:
    """Of the files that whoever asks may see, those that are sealed."""
    deed = await deed_of(request, "object.list")
    desk = desk_for(request)
    async with acting(desk.database, deed) as connection:
        rows = await connection.fetch(_SEALED)
        await write_down(desk.database, connection, deed, "documents_sealed_listed")
    return JSONResponse(
        [
            {
                "id": str(row["id"]),
                "bucket_id": row["bucket_id"],
                "name": row["name"],
                "created_at": row["created_at"].isoformat(),
                "scanner": row["scanner"],
                "finding": row["finding"],
            }
            for row in rows
        ]
    )


async def release(request: Request) -> Response:
    """An administrator's word against the scanner's: it may be read, and its copy leaves."""
    deed = await deed_of(request, "object.release")
    desk, place = desk_for(request), place_of(request)
    try:
        released = await _release(desk, deed, place)
    except Refused as error:
        if error.refusal is NOT_ALLOWED:
            await write_refusal_down(desk.database, deed, "update", *place, policy=_RELEASING)
        else:
            await write_refusal_down(desk.database, deed, "select", *place)
        raise
    return JSONResponse({"message": "The file is released", "Id": str(released)})


async def _release(desk: Desk, deed: Deed, place: tuple[str, str]) -> UUID:
    """The file's id. Raises Refused."""
    async with acting(desk.database, deed) as connection:
        found = await objects.find(connection, *place)
        if found is None or found.scanned != "infected":
            raise Refused(NO_OBJECT)
        if deed.person.role != "administrator":
            raise Refused(NOT_ALLOWED, "Only an administrator releases what was sealed")
        if not await scans.release(connection, found.id, found.version):
            raise Refused(NO_OBJECT)
        await write_down(
            desk.database, connection, deed, "document_released",
            subject=found.id, bucket=found.bucket_id,
        )  # fmt: skip
        await forget_sealed(connection, found.version, reason="released")
        landed = Landed(
            deed.practice_id, found.version, found.id, found.bucket_id,
            client_of(found.name), found.metadata,
        )  # fmt: skip
        await let_go_out(desk, connection, landed)
        return found.id
