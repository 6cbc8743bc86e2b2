"""What a client sees: their own appointments, in their zone and language, and nothing to change."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console.access_words import say
from mentalspace.console.door import Visit
from mentalspace.practice.saying import spoken
from mentalspace.practice.saying.facts import Language, language_of

_ME = """
select coalesce(k.timezone, p.timezone) as timezone, k.language, p.name as practice_name,
       p.phone as practice_phone
  from client k join practice p on p.id = k.practice_id where k.id = $1
"""
_MINE = """
select starts_at, duration_min, status, starts_at > app.now() as is_coming from appointment
 where client_id = $1 and drill is null
   and starts_at > app.now() - interval '1 year' order by starts_at limit 200
"""


async def portal(visit: Visit) -> Response:
    async with visit.reading() as connection:
        me = await connection.fetchrow(_ME, visit.person.client_id)
        rows = await connection.fetch(_MINE, visit.person.client_id)
    assert me is not None
    language = language_of(me["language"])
    shown = [_appointment(row, ZoneInfo(me["timezone"]), language) for row in rows]
    return await visit.show(
        "portal.html",
        language=language,
        me=me,
        coming=[each for each in shown if each["is_coming"]],
        past=[each for each in reversed(shown) if not each["is_coming"]],
        say=lambda name, **given: say(name, language, **given),
    )


def _appointment(row: Any, zone: ZoneInfo, language: Language) -> dict[str, Any]:
    local = row["starts_at"].astimezone(zone)
    return {
        **dict(row),
        "day": spoken.day_and_year(local, language),
        "hour": spoken.hour(local, language),
    }
