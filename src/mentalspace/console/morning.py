"""The front desk's morning: who does not know of an appointment, why, and what is possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.chart import Bucket, Day, draw_reach
from mentalspace.console.door import Visit
from mentalspace.console.reach import keep_reach, reach_said
from mentalspace.engine.decisions import release_unsent
from mentalspace.practice.front_desk import read_resting, read_silent, read_unread
from mentalspace.practice.not_reached import (
    DAYS,
    Client,
    Coming,
    Try,
    last_instant,
    mark_told,
    read_coming,
    read_unreached,
)

CHOICES = (1, DAYS, 7)
_DONE = {
    "told": ("ok", "Written down: the client knows. The tasks about it are done."),
    "nothing": ("warn", "Nothing changed: the client knew already, or the appointment is over."),
    "retried": ("ok", "It is tried again at once. If it arrives, the client leaves this list."),
    "not_retried": ("warn", "Not tried again: it may have been sent, or its time is over. Call."),
}
# What only the state of a message tells.
_WHY = {
    "pending": "It has waited for over an hour",
    "due": "It has waited for over an hour",
    "sending": "It has been under way for over an hour",
    "unknown": "Perhaps sent: the provider has not said",
    "accepted": "The provider took it over an hour ago and has not said that it arrived",
    "expired": "Its time passed before it could be sent",
}


async def morning(visit: Visit) -> Response:
    days, clinician = _days(visit.query("days")), visit.query("clinician")
    practice_id = _practice(visit)
    async with visit.reading() as connection:
        zone, now, until = await _span(connection, practice_id, days)
        everybody = await read_coming(connection, practice_id, until)
        unreached = await read_unreached(connection, practice_id, until, clinician or None)
        of = ((now, until), clinician or None)
        silent = await read_silent(connection, visit.services.vault, practice_id, *of)
        resting = await read_resting(connection, practice_id, *of)
        unread = await read_unread(connection, practice_id)
    await visit.note_reading("morning.read")
    coming = [one for one in everybody if clinician in ("", one.clinician_email)]
    axis = [now.astimezone(ZoneInfo(zone)).date() + timedelta(days=n) for n in range(days)]
    return await visit.show(
        "morning.html",
        clients=[_shown(visit, client) for client in unreached],
        nothing_goes={one.id for one in silent},
        silent=[one for one in silent if one.id not in {client.id for client in unreached}],
        resting=resting,
        unread=unread,
        chart=draw_reach(_by_day(coming, axis, zone)),
        axis=axis,
        reached=sum(one.state == "reached" for one in coming),
        coming=len(coming),
        days=days,
        choices=CHOICES,
        clinician=clinician,
        clinicians=sorted({one.clinician_email for one in everybody if one.clinician_email}),
        done=_DONE.get(visit.query("done")) or reach_said(visit.query("done")),
    )


async def told(visit: Visit) -> Response:
    """Somebody called: of everything the list showed of that client; of `every` appointment where
    nothing may be sent."""
    practice_id, days = _practice(visit), _days(visit.field("days"))
    async with visit.reading() as connection:
        _zone, _now, until = await _span(connection, practice_id, days)
        user_id, every = visit.person.user_id, visit.field("every") == "yes"
        number = await mark_told(connection, practice_id, visit.id(), until, user_id, every=every)
    return _back(visit, "told" if number else "nothing")


async def put_right(visit: Visit) -> Response:
    """The client's address, number or both; an empty field leaves what is there."""
    return _back(visit, await keep_reach(visit, visit.id()))


async def retry(visit: Visit) -> Response:
    async with visit.reading() as connection:
        released = await release_unsent(connection, visit.id(), visit.person.name)
    return _back(visit, "retried" if released else "not_retried")


def why(visit: Visit, one: Try) -> str:
    """What became of a message, in a sentence; the runbook's words where a case says it."""
    if one.case_id is not None and one.status not in _WHY:
        try:
            return visit.services.runbooks.case(one.case_id).title
        except LookupError:
            pass
    return _WHY.get(one.status, words.status(one.status, integration=one.integration).meaning)


def _shown(visit: Visit, client: Client) -> dict[str, Any]:
    return {
        "client": client,
        "appointments": [
            (one, [_tried(visit, t, falls_back=client.falls_back) for t in one.tries])
            for one in client.appointments
        ],
    }


def _tried(visit: Visit, one: Try, *, falls_back: bool) -> dict[str, Any]:
    return {"it": one, "why": why(visit, one), "then": _then(visit, one, falls_back=falls_back)}


def _then(visit: Visit, one: Try, *, falls_back: bool) -> Sequence[str]:
    """What the runbook did about it by itself."""
    if one.case_id is None:
        return ()
    try:
        case = visit.services.runbooks.case(one.case_id)
    except LookupError:
        return ()
    left_out = {"note", "name_wording"} | (set() if falls_back else {"fall_back"})
    return [words.step(step.do, step.params) for step in case.steps if step.do not in left_out]


def _by_day(coming: Sequence[Coming], axis: Sequence[Any], zone: str) -> list[Day]:
    counts: dict[Any, dict[str, int]] = {day: {} for day in axis}
    for one in coming:
        of_day = counts[one.starts_at.astimezone(ZoneInfo(zone)).date()]
        of_day[one.state] = of_day.get(one.state, 0) + 1
    return [
        Day(day, Bucket(n.get("reached", 0), n.get("waiting", 0), n.get("not_reached", 0)))
        for day, n in counts.items()
    ]


async def _span(connection: Any, practice_id: UUID, days: int) -> tuple[str, datetime, datetime]:
    row = await connection.fetchrow(
        "select timezone, app.now() as now from practice where id = $1", practice_id
    )
    return row["timezone"], row["now"], last_instant(row["now"], row["timezone"], days)


def _practice(visit: Visit) -> UUID:
    assert visit.person.practice_id is not None
    return visit.person.practice_id


def _days(given: str) -> int:
    return int(given) if given in {str(choice) for choice in CHOICES} else DAYS


def _back(visit: Visit, done: str) -> Response:
    clinician = quote(visit.field("clinician"))
    return visit.go(f"/morning?days={_days(visit.field('days'))}&clinician={clinician}&done={done}")
