"""Imports: a calendar file in, what landed, and the rows that wait to be corrected."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.fields import Body, Out
from mentalspace.api.once import Key, once
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Fault, Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.practice.calendar_file import CalendarFileUnreadable, FileKind
from mentalspace.workflows.calendar_import import (
    ImportResult,
    RowUnknown,
    correct_row,
    discard_row,
    import_calendar,
    raw_of_row,
)

routes = APIRouter(tags=["imports"])

_ROWS = """
select r.id, r.file_id, f.kind, r.line, r.mistakes, r.created_at
  from import_row r join import_file f on f.id = r.file_id
 where r.state = 'open' and ($1::uuid is null or r.file_id = $1)
   and ($2::timestamptz is null or (r.created_at, r.id) > ($2, $3::uuid))
 order by r.created_at, r.id limit $4
"""
_ROW = """
select r.id, r.file_id, f.kind, r.line, r.mistakes, r.created_at
  from import_row r join import_file f on f.id = r.file_id where r.state = 'open' and r.id = $1
"""
_NAMES = {"text/csv": "calendar.csv", "text/calendar": "calendar.ics"}
_FILE = {"schema": {"type": "string"}}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": _FILE,
            "text/calendar": _FILE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


class Mistake(Out):
    """`column` is a CSV column or an iCalendar property, or `row` for the whole."""

    line: int
    column: str
    code: str
    text: str
    cure: str


class BadRow(Out):
    line: int
    mistakes: list[Mistake]


class NumberNote(Out):
    """A row that landed, though no text can reach its number: why, and what happens then."""

    line: int
    column: str
    code: str
    text: str
    then: str


class Imported(Out):
    """Counts of appointments; `merged` rows repeated others, `bad_known` were waiting already."""

    file_id: UUID
    new: int
    changed: int
    cancelled: int
    unchanged: int
    merged: int
    bad: list[BadRow]
    bad_known: int
    notes: list[str]
    numbers: list[NumberNote]


class WaitingRow(Out):
    id: UUID
    file_id: UUID
    kind: FileKind
    line: int
    mistakes: list[Mistake]
    created_at: datetime


class WholeRow(WaitingRow):
    raw: str


class Corrected(Out):
    """`change` says what became of it: new, changed, cancelled or unchanged."""

    change: str


class CorrectedRow(Body):
    raw: Annotated[str, Field(min_length=1, max_length=100_000)]


Importer = Annotated[Visit, allowed("imports.write")]


@routes.post(
    "/v1/imports",
    summary="Import a calendar file",
    response_model=Imported,
    responses={
        413: {"description": "More than 10 MiB."},
        415: {"description": "Neither CSV nor iCalendar nor a form with a file."},
    },
    openapi_extra=_UPLOAD,
)
async def upload(request: Request, visit: Importer, key: Key = None) -> Response:
    """Good rows land, bad rows are kept to be corrected. The same file again changes nothing."""
    data, name = await _file(request)

    async def work() -> Response:
        try:
            result = await import_calendar(
                visit.services, visit.person.claims(), data, name, imported_by=visit.actor
            )
        except CalendarFileUnreadable as error:
            raise Problem(422, error.code, str(error)) from error
        return Response(_imported(result).model_dump_json(), 200, media_type="application/json")

    return await once(visit, request, key, data, work)


@routes.get("/v1/imports/rows", summary="Rows that wait to be corrected")
async def rows(
    visit: Importer, file_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[WaitingRow]:
    after_at, after_id = position(cursor)
    async with visit.reading() as connection:
        found = await connection.fetch(_ROWS, file_id, after_at, after_id, limit + 1)
    return page(found, limit, "created_at", WaitingRow)


@routes.get("/v1/imports/rows/{row_id}", summary="One such row, with its text", responses={404: {}})
async def row(visit: Importer, row_id: UUID) -> WholeRow:
    async with visit.reading() as connection:
        found = await connection.fetchrow(_ROW, row_id)
        if found is None:
            raise not_found()
        await visit.note(connection, "import_row.read", row_id)
    try:
        raw = await raw_of_row(visit.services, visit.person.claims(), row_id)
    except RowUnknown as error:
        raise not_found() from error
    return WholeRow(**dict(found), raw=raw)


@routes.post(
    "/v1/imports/rows/{row_id}/correct",
    summary="Try a row again, corrected",
    responses={404: {}},
)
async def correct(visit: Importer, row_id: UUID, body: CorrectedRow) -> Corrected:
    """It lands, or the answer says what is still wrong."""
    try:
        correction = await correct_row(visit.services, visit.person.claims(), row_id, body.raw)
    except RowUnknown as error:
        raise not_found() from error
    if correction.change is None:
        faults = [
            Fault(f"/body/raw/{m.column}", m.code, m.text, m.cure) for m in correction.mistakes
        ]
        raise Problem(422, "row_still_wrong", "mistakes remain; see errors", errors=faults)
    return Corrected(change=correction.change)


@routes.post(
    "/v1/imports/rows/{row_id}/discard",
    summary="The row is not needed",
    status_code=204,
    responses={404: {}},
)
async def discard(visit: Importer, row_id: UUID) -> None:
    try:
        await discard_row(visit.services, visit.person.claims(), row_id)
    except RowUnknown as error:
        raise not_found() from error


async def _file(request: Request) -> tuple[bytes, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _NAMES:
        return await request.body(), _NAMES[kind]
    if kind != "multipart/form-data":
        text = "send text/csv, text/calendar, or a form with a file"
        raise Problem(415, "content_type_unsupported", text)
    async with request.form(max_files=1, max_fields=5) as form:
        file: Any = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(422, "file_missing", "the form has no file in its field `file`")
        return await file.read(), file.filename or ""


def _imported(result: ImportResult) -> Imported:
    return Imported(
        file_id=result.file_id,
        new=result.new,
        changed=result.changed,
        cancelled=result.cancelled,
        unchanged=result.unchanged,
        merged=result.merged,
        bad=[
            BadRow(
                line=bad.line,
                mistakes=[
                    Mistake(line=m.line, column=m.column, code=m.code, text=m.text, cure=m.cure)
                    for m in bad.mistakes
                ],
            )
            for bad in result.bad
        ],
        bad_known=result.bad_known,
        notes=list(result.notes),
        numbers=[NumberNote.model_validate(asdict(note)) for note in result.numbers],
    )
