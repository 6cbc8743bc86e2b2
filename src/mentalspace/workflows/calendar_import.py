"""A front desk's calendar file: good rows land, bad rows are kept to be corrected."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.calendar_file import (
    BadRow,
    FileKind,
    Mistake,
    read_calendar,
    read_row,
)
from mentalspace.workflows.appointments import Claims, mail_desk
from mentalspace.workflows.calendar_landing import land_file
from mentalspace.workflows.import_numbers import NumberNote, read_number_notes

CHANGES = ("new", "changed", "cancelled", "unchanged")


class RowUnknown(MentalSpaceError):
    """No open row of this practice has that id."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What a file did. `new`, `changed`, `cancelled`, `unchanged` count appointments; `merged`
    rows repeated others; `bad` wait to be corrected, `bad_known` were waiting already. `numbers`
    are those of rows that landed which no text can reach."""

    file_id: UUID
    new: int
    changed: int
    cancelled: int
    unchanged: int
    merged: int
    bad: tuple[BadRow, ...]
    bad_known: int
    notes: tuple[str, ...]
    numbers: tuple[NumberNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Correction:
    """`change` is what landed, of a series the most telling; None while mistakes remain."""

    change: str | None
    mistakes: tuple[Mistake, ...]


async def import_calendar(
    services: Services, claims: Claims, data: bytes, file_name: str, *, imported_by: str
) -> ImportResult:
    """One transaction: all of the file's good rows, and every bad one kept.

    Raises CalendarFileUnreadable if no row can be read. The same file again changes nothing.
    """
    practice_id = UUID(str(claims["practice"]))
    desk = mail_desk(services, claims)
    async with services.database.as_user(claims) as connection:
        zone = await _zone(connection, practice_id)
    # A large file takes seconds of computing: not on the loop that others wait for.
    file = await asyncio.to_thread(
        read_calendar, data, practice_timezone=zone, file_name=file_name, now=desk.now
    )
    async with services.database.as_user(claims) as connection:
        changes = await land_file(connection, desk, practice_id, file)
        file_id: UUID = await connection.fetchval(
            "insert into import_file (practice_id, kind, rows_new, rows_changed, rows_unchanged,"
            " rows_bad, imported_by) values ($1, $2, $3, $4, $5, $6, $7) returning id",
            practice_id,
            file.kind,
            changes.count("new"),
            changes.count("changed") + changes.count("cancelled"),
            changes.count("unchanged"),
            len(file.bad),
            imported_by,
        )
        numbers = await read_number_notes(connection, practice_id, file.rows)
        kept = [await _keep(connection, services.vault, practice_id, file_id, b) for b in file.bad]
    return ImportResult(
        file_id=file_id,
        new=changes.count("new"),
        changed=changes.count("changed"),
        cancelled=changes.count("cancelled"),
        unchanged=changes.count("unchanged"),
        merged=file.merged,
        bad=file.bad,
        bad_known=kept.count(False),
        notes=file.notes,
        numbers=numbers,
    )


async def correct_row(services: Services, claims: Claims, row_id: UUID, raw: str) -> Correction:
    """Read a kept row again with a person's correction; it lands or says what is still wrong."""
    practice_id = UUID(str(claims["practice"]))
    desk = mail_desk(services, claims)
    async with services.database.as_user(claims) as connection:
        kind, header, line = await _open_row(connection, services.vault, practice_id, row_id)
        file = read_row(
            raw,
            kind=kind,
            header=header,
            practice_timezone=await _zone(connection, practice_id),
            now=desk.now,
            line=line,
        )
        if isinstance(file, BadRow):
            return Correction(None, file.mistakes)
        changes = await land_file(connection, desk, practice_id, file)
        await _close(connection, row_id, "corrected")
        return Correction(next((c for c in CHANGES if c in changes), "unchanged"), ())


async def discard_row(services: Services, claims: Claims, row_id: UUID) -> None:
    """A person says the row is not needed. It stays on record, closed."""
    async with services.database.as_user(claims) as connection:
        await _close(connection, row_id, "discarded")


async def raw_of_row(services: Services, claims: Claims, row_id: UUID) -> str:
    """The row's text, for the form in which it is corrected."""
    practice_id = UUID(str(claims["practice"]))
    async with services.database.as_user(claims) as connection:
        sealed = await connection.fetchval(
            "select raw from import_row where id = $1 and state = 'open'", row_id
        )
    if sealed is None:
        raise RowUnknown("there is no such row to correct")
    return services.vault.open(practice_id, "import_row", sealed).decode()


async def columns_of_row(services: Services, claims: Claims, row_id: UUID) -> str | None:
    """The first line of its file, which says what stands where; an iCalendar event says it itself.

    Raises RowUnknown.
    """
    practice_id = UUID(str(claims["practice"]))
    async with services.database.as_user(claims) as connection:
        kind, header, _ = await _open_row(connection, services.vault, practice_id, row_id)
    return header if kind == "csv" else None


async def _keep(
    connection: Connection, vault: Vault, practice_id: UUID, file_id: UUID, bad: BadRow
) -> bool:
    """Keep one bad row; False if the same text is waiting already."""
    raw, header = bad.raw.reveal().encode(), bad.header.encode()
    kept = await connection.fetchval(
        "insert into import_row (practice_id, file_id, line, raw, header, raw_key, mistakes)"
        " values ($1, $2, $3, $4, $5, $6, $7)"
        " on conflict (practice_id, raw_key) where state = 'open' do nothing returning id",
        practice_id,
        file_id,
        bad.line,
        vault.seal(practice_id, "import_row", raw),
        vault.seal(practice_id, "import_row", header),
        vault.recipient_key(practice_id, hashlib.sha256(raw).hexdigest()),
        [asdict(mistake) for mistake in bad.mistakes],
    )
    return kept is not None


async def _open_row(
    connection: Connection, vault: Vault, practice_id: UUID, row_id: UUID
) -> tuple[FileKind, str, int]:
    row = await connection.fetchrow(
        "select f.kind, r.header, r.line from import_row r join import_file f on f.id = r.file_id"
        " where r.id = $1 and r.state = 'open' for update of r",
        row_id,
    )
    if row is None:
        raise RowUnknown("there is no such row to correct")
    header = vault.open(practice_id, "import_row", row["header"]).decode()
    return row["kind"], header, row["line"]


async def _close(connection: Connection, row_id: UUID, state: str) -> None:
    closed = await connection.fetchval(
        "update import_row set state = $2, closed_at = app.now()"
        " where id = $1 and state = 'open' returning true",
        row_id,
        state,
    )
    if not closed:
        raise RowUnknown("there is no such row to correct")


async def _zone(connection: Connection, practice_id: UUID) -> str:
    zone: str = await connection.fetchval(
        "select timezone from practice where id = $1", practice_id
    )
    return zone
