"""Import pages: a calendar file in, what landed, and the rows a person has to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.datastructures import UploadFile
from starlette.responses import Response

from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.practice import read_bad_rows, read_files
from mentalspace.practice.calendar_file import CalendarFileUnreadable
from mentalspace.workflows.calendar_import import (
    RowUnknown,
    columns_of_row,
    correct_row,
    discard_row,
    import_calendar,
    raw_of_row,
)

LARGEST_BYTES = 5 * 2**20

_DONE = {
    "imported": "The file was read. What landed and what is left to correct stands below.",
    "corrected": "The row landed in the calendar.",
    "discarded": "The row was discarded.",
}


async def imports(visit: Visit) -> Response:
    return await _page(visit, done=_DONE.get(visit.query("done")))


async def upload(visit: Visit) -> Response:
    """Any size or kind of wrong file gets a sentence with its cure, on the same page."""
    file = visit.form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return await _page(visit, problem="Choose a file first.", http=422)
    data = await file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        limit = LARGEST_BYTES // 2**20
        return await _page(
            visit, problem=f"The file is larger than {limit} MB. Export fewer weeks.", http=413
        )
    try:
        result = await import_calendar(
            visit.services,
            visit.person.claims(),
            data,
            file.filename,
            imported_by=visit.person.name,
        )
    except CalendarFileUnreadable as error:
        return await _page(visit, problem=str(error), http=422)
    return await _page(visit, result=result)


async def row(visit: Visit) -> Response:
    """One bad row with its text, to be corrected."""
    return await _row(visit, visit.id())


async def correct(visit: Visit) -> Response:
    raw = visit.field("raw").replace("\r\n", "\n")
    try:
        correction = await correct_row(visit.services, visit.person.claims(), visit.id(), raw)
    except RowUnknown as error:
        raise Missing from error
    if correction.change is None:
        mistakes = [
            {"column": m.column, "text": m.text, "cure": m.cure} for m in correction.mistakes
        ]
        return await _row(visit, visit.id(), raw=raw, mistakes=mistakes, http=422)
    return visit.go("/imports?done=corrected")


async def discard(visit: Visit) -> Response:
    try:
        await discard_row(visit.services, visit.person.claims(), visit.id())
    except RowUnknown as error:
        raise Missing from error
    return visit.go("/imports?done=discarded")


async def _page(visit: Visit, *, http: int = 200, **values: Any) -> Response:
    async with visit.reading() as connection:
        files = await read_files(connection)
        rows = await read_bad_rows(connection)
    common = {"files": files, "rows": rows, "done": None, "problem": None, "result": None}
    return await visit.show("imports.html", http=http, **{**common, **values})


async def _row(
    visit: Visit,
    row_id: UUID,
    *,
    raw: str | None = None,
    mistakes: Sequence[Mapping[str, str]] | None = None,
    http: int = 200,
) -> Response:
    async with visit.reading() as connection:
        rows = await read_bad_rows(connection, row_id)
    if not rows:
        raise Missing
    if raw is None:
        try:
            raw = await raw_of_row(visit.services, visit.person.claims(), row_id)
        except RowUnknown as error:
            raise Missing from error
        await visit.note_reading("import_row.read")
    try:
        columns = await columns_of_row(visit.services, visit.person.claims(), row_id)
    except RowUnknown as error:
        raise Missing from error
    shown = mistakes if mistakes is not None else rows[0]["mistakes"]
    tried = mistakes is not None
    return await visit.show(
        "import_row.html",
        http=http,
        row=rows[0],
        raw=raw,
        columns=columns,
        mistakes=shown,
        tried=tried,
    )
