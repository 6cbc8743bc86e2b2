"""Game days: those that were held, how one is going, and its report."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from mentalspace.console.door import HEADERS, Forbidden, Missing, Visit
from mentalspace.engine.runbook import HOUSE
from mentalspace.workflows.game_day import find_day, in_trouble, refusal_words
from mentalspace.workflows.game_day.paper import COUNSEL, FIT_FOR, NOT_FIT_FOR, verdict
from mentalspace.workflows.game_day.picture import draw
from mentalspace.workflows.game_day.report import KEY, WRITERS, file_name

MOST_TRAFFIC = 600
USUAL_TRAFFIC = 30
# Who holds a game day says so every two seconds.
SILENT_S = 60

_DAYS = """
select g.id, g.started_at, g.finished_at, g.state, g.actor, cardinality(g.planned) as planned,
       count(r.id) filter (where r.finished_at is not null) as ran,
       count(r.id) filter (where r.passed) as held
  from game_day g left join drill_run r on r.game_day = g.id
 group by g.id order by g.started_at desc limit 50
"""
_DAY = """
select id, started_at, finished_at, state, actor, planned, per_minute, estimate_s, background,
       stop_wanted,
       extract(epoch from coalesce(finished_at, app.now()) - started_at)::float8 as lasted_s,
       extract(epoch from clock_timestamp() - beat_at)::float8 as silent_s
  from game_day where id = $1
"""
_RUNS = """
select id, drill, started_at, finished_at, passed, seconds, observed -> 'missing' as missing,
       extract(epoch from detected_at - injected_at)::float8 as detect_s,
       extract(epoch from recovered_at - healed_at)::float8 as recover_s
  from drill_run where game_day = $1 order by finished_at desc nulls first, started_at desc
"""


async def game_days(visit: Visit) -> Response:
    return await _form(visit, None)


async def _form(visit: Visit, problem: str | None, http: int = 200) -> Response:
    """`problem` is why it has not begun, and asks whether it is meant."""
    async with visit.services.database.as_oncall() as connection:
        days = await connection.fetch(_DAYS)
    return await visit.show(
        "game_days.html",
        http=http,
        problem=problem,
        room=visit.field("room") if problem else "",
        traffic=visit.field("traffic") if problem else str(USUAL_TRAFFIC),
        days=days,
        rooms=_rooms(visit),
        refusal=refusal(visit),
    )


async def game_day(visit: Visit) -> Response:
    async with visit.services.database.as_oncall() as connection:
        row = await connection.fetchrow(_DAY, _id(visit))
        if row is None:
            raise Missing
        runs = await connection.fetch(_RUNS, row["id"])
        day = await find_day(connection, row["id"])
    ended = day is not None and day.closed is not None
    return await visit.show(
        "game_day.html",
        row=row,
        runs=runs,
        ran=[run for run in runs if run["finished_at"] is not None],
        failed=[run for run in runs if run["passed"] is False],
        day=day if ended else None,
        verdict=verdict(day) if day is not None and ended else None,
        flaws=day.flaws if day is not None and ended else [],
        picture=draw(day) if day is not None else None,
        key=KEY,
        texts=(FIT_FOR, NOT_FIT_FOR, COUNSEL),
        files=[(ending, file_name(row["id"], ending)) for ending in WRITERS],
        ends_at=_expected_end(row),
        is_silent=row["state"] == "running" and row["silent_s"] > SILENT_S,
        may_stop=refusal(visit) is None,
    )


async def download(visit: Visit) -> Response:
    """One of the report's files, under the name it is kept by."""
    async with visit.services.database.as_oncall() as connection:
        day = await find_day(connection, _id(visit))
    file = str(visit.request.path_params["file"])
    ending = file.rpartition(".")[2]
    if day is None or day.closed is None or ending not in WRITERS:
        raise Missing
    if file != file_name(day.id, ending):
        raise Missing
    kind, write = WRITERS[ending]
    titles = {name: room.title for name, room in visit.services.rooms.items()}
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{file}"'}
    return Response(write(day, titles), 200, headers, kind)


async def start(visit: Visit) -> Response:
    if why := refusal(visit):
        raise Forbidden(why)
    room = visit.field("room")
    if room and room not in dict(_rooms(visit)):
        raise Missing
    assert visit.start_game_day is not None
    per_minute = _per_minute(visit.field("traffic"))
    if visit.field("anyway") != "yes":
        rooms = [room] if room else [name for name, _title in _rooms(visit)]
        async with visit.services.database.as_oncall() as connection:
            trouble = await in_trouble(connection, rooms, per_minute)
        if trouble:
            return await _form(visit, f"It has not begun: {refusal_words(trouble)}.", 422)
    game_day_id = await visit.start_game_day(visit.person.name, [room] if room else [], per_minute)
    return visit.go(f"/game-days/{quote(game_day_id, safe='')}")


async def stop(visit: Visit) -> Response:
    if why := refusal(visit):
        raise Forbidden(why)
    async with visit.services.database.as_dispatcher() as connection:
        found = await connection.fetchval(
            "update game_day set stop_wanted = true where id = $1 returning id", _id(visit)
        )
    if found is None:
        raise Missing
    return visit.go(f"/game-days/{quote(found, safe='')}")


def refusal(visit: Visit) -> str | None:
    """Why this person may not hold one here and now; None if they may."""
    if visit.services.settings.is_production:
        return "In production a drill would touch live credentials, so no game day is held here."
    if visit.start_game_day is None:
        return "This installation does not hold game days from the console."
    return None


def _rooms(visit: Visit) -> list[tuple[str, str]]:
    """Whose drills may be chosen, with their titles: each room's, and the house's own."""
    books = visit.services.runbooks
    own = [(HOUSE, "the house itself")] if books.rehearsals else []
    return [*((room.room, room.overview.title) for room in books.rooms), *own]


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["id"])


def _per_minute(text: str) -> float:
    """Raises Forbidden, in words, for what is no number of messages."""
    try:
        number = float(text or USUAL_TRAFFIC)
    except ValueError:
        number = -1
    if not 0 <= number <= MOST_TRAFFIC:
        raise Forbidden(f"Give messages a minute as a number from 0 to {MOST_TRAFFIC}.")
    return number


def _expected_end(row: Any) -> datetime:
    started_at: datetime = row["started_at"]
    return started_at + timedelta(seconds=row["estimate_s"])
