"""Makes the practice's calendar say what a file says, and tells a client once of many dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.practice.appointment import NewAppointment
from mentalspace.practice.calendar_file import AppointmentRow, CalendarFile, Series, occurrence_id
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.appointments import cancel_within, land

# So many dates of a series are each told of; of more the first is, and says how many follow.
FEW = 3

# What a file once held as a single event is the date of the series that it has become.
_ADOPT = """
update appointment set series = external_id, external_id =
       external_id || to_char(starts_at at time zone 'UTC', '"/"YYYYMMDD"T"HH24MISS"Z"')
 where practice_id = $1 and external_id = any($2) and series is null
"""
_KNOWN = """
select id, external_id, series, starts_at, status from appointment
 where practice_id = $1 and series = any($2) order by starts_at
"""


async def land_file(
    connection: Connection, desk: MailDesk, practice_id: UUID, file: CalendarFile
) -> list[str]:
    """What happened to each appointment: new, changed, cancelled or unchanged.

    A date of a series that lies ahead and is no longer in the file is cancelled, if the file
    holds its series; whatever else a file does not mention stays as it is.
    """
    rows, series = await _with_known_series(connection, practice_id, file)
    uids = sorted({row.series for row in rows if row.series} | {one.uid for one in series})
    await connection.execute(_ADOPT, practice_id, uids)
    known = await connection.fetch(_KNOWN, practice_id, uids)
    telling = _added(rows, known, desk.now)
    changes = []
    for row in rows:
        told = replace(desk, further=telling.get(row.external_id, 0))
        changes.append((await land(connection, told, practice_id, appointment_of(row))).change)
    for one in series:
        changes += await _call_off(connection, desk, one, known)
    return changes


async def _with_known_series(
    connection: Connection, practice_id: UUID, file: CalendarFile
) -> tuple[list[AppointmentRow], list[Series]]:
    """A single event that was a series until now is a series with one date."""
    rows, series = list(file.rows), list(file.series)
    if file.kind != "ical":
        return rows, series
    single = [row.external_id for row in rows if row.series is None]
    found = await connection.fetch(
        "select distinct series from appointment where practice_id = $1 and series = any($2)",
        practice_id,
        single,
    )
    uids = {row["series"] for row in found}
    for place, row in enumerate(rows):
        if row.series is None and row.external_id in uids:
            date_id = occurrence_id(row.external_id, row.starts_at)
            series.append(Series(row.external_id, frozenset({date_id})))
            rows[place] = replace(row, external_id=date_id, series=row.external_id)
    return rows, series


def _added(
    rows: Iterable[AppointmentRow], known: Sequence[Any], now: datetime
) -> dict[str, int | None]:
    """How the dates to be booked are told of; those after the last one known are not, for the
    client knows that the series goes on."""
    ids = {row["external_id"] for row in known}
    last: dict[str, datetime] = {
        row["series"]: row["starts_at"]
        for row in known
        if row["status"] == "scheduled" and row["starts_at"] > now
    }
    by_series: dict[str, list[AppointmentRow]] = {}
    telling: dict[str, int | None] = {}
    for row in rows:
        if row.series is None or row.external_id in ids or row.starts_at <= now:
            continue
        if row.series in last and row.starts_at > last[row.series]:
            telling[row.external_id] = None
        else:
            by_series.setdefault(row.series, []).append(row)
    for added in by_series.values():
        added.sort(key=lambda row: row.starts_at)
        telling |= _told(row.external_id for row in added)
    return telling


def _told(external_ids: Iterable[str]) -> Mapping[str, int | None]:
    first, *others = external_ids
    if len(others) < FEW:
        return dict.fromkeys([first, *others], 0)
    return {first: len(others), **dict.fromkeys(others)}


async def _call_off(
    connection: Connection, desk: MailDesk, series: Series, known: Sequence[Any]
) -> list[str]:
    gone = {
        row["external_id"]: row["id"]
        for row in known
        if row["series"] == series.uid
        and row["external_id"] not in series.external_ids
        and row["status"] == "scheduled"
        and row["starts_at"] > desk.now
    }
    telling = _told(gone) if gone else {}
    return [
        (await cancel_within(connection, replace(desk, further=telling[name]), date_id)).change
        for name, date_id in gone.items()
    ]


def appointment_of(row: AppointmentRow) -> NewAppointment:
    return NewAppointment(
        external_id=row.external_id,
        client_external_id=row.client_external_id,
        client_name=row.client_name,
        client_email=row.client_email,
        client_phone=row.client_phone,
        client_timezone=row.client_timezone,
        client_language=row.client_language,
        clinician_email=row.clinician_email,
        starts_at=row.starts_at,
        duration_min=row.duration_min,
        status=row.status,
        series=row.series,
    )
