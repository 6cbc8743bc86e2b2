"""Dead letters: what waits for a person, in heaps, with what may be done to each heap at once."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Visit
from mentalspace.console.queries.payload import read_held_webhooks
from mentalspace.engine import again
from mentalspace.engine import replay as engine
from mentalspace.engine.unheard import ask_once_more, put_away, read_unheard
from mentalspace.engine.unknown import read_long_unknown

_DONE = {
    "closed": "{} closed, as of no use any more.",
    "asked": "Asked after {} once more. What is still not known comes back in a moment.",
    "put_away": "{} put away, as seen to.",
}
_REPLAY = re.compile(r"[0-9a-f]{12}")


async def dead_letters(visit: Visit) -> Response:
    replay_id = visit.query("replay") if _REPLAY.fullmatch(visit.query("replay")) else None
    async with visit.reading() as connection:
        heaps = await engine.preflight(connection)
        ended = await again.preflight(connection, visit.services.rooms)
        unknown = await read_long_unknown(connection)
        unheard = await read_unheard(connection)
        webhooks: list[Any] = []
        if visit.person.may("payloads.open"):
            webhooks = await read_held_webhooks(connection)
        running = await engine.progress(connection, replay_id) if replay_id else None
    return await visit.show(
        "dead_letters.html",
        heaps=heaps,
        ended=[heap for heap in ended if heap.may_go],
        unknown=[(one, visit.provider_title(one.integration, one.provider)) for one in unknown],
        unheard=[(one, visit.provider_title(one.integration, one.provider)) for one in unheard],
        webhooks=webhooks,
        total=sum(heap.total for heap in heaps),
        running=running,
        most=engine.MOST_AT_ONCE,
        titles={case.id: case.title for case in visit.services.runbooks.cases},
        may_decide=visit.person.may("deliveries.decide"),
        done=_done(visit),
    )


async def replay(visit: Visit) -> Response:
    integration, case_id = _heap(visit)
    async with visit.reading() as connection:
        replay_id, count = await engine.replay(
            connection, visit.person.name, integration, case_id, hold=_hold(visit)
        )
    return visit.go(f"/dead-letters?replay={replay_id}" if count else "/dead-letters?closed=0")


async def send_ended(visit: Visit) -> Response:
    integration, case_id = _heap(visit)
    services = visit.services
    async with visit.reading() as connection:
        replay_id, sent = await again.send_again(
            services.database,
            connection,
            services.rooms,
            visit.person.name,
            integration,
            case_id,
        )
    return visit.go(f"/dead-letters?replay={replay_id}" if sent else "/dead-letters?closed=0")


async def close(visit: Visit) -> Response:
    integration, case_id = _heap(visit)
    async with visit.reading() as connection:
        count = await engine.close_useless(
            connection, visit.person.name, integration, case_id, _hold(visit)
        )
    return visit.go(f"/dead-letters?closed={count}")


async def ask(visit: Visit) -> Response:
    """Have a provider asked once more what became of what it is silent about."""
    async with visit.reading() as connection:
        count = await ask_once_more(connection, visit.person.name, *_silent(visit))
    return visit.go(f"/dead-letters?asked={count}")


async def seen_to(visit: Visit) -> Response:
    async with visit.reading() as connection:
        count = await put_away(connection, visit.person.name, *_silent(visit))
    return visit.go(f"/dead-letters?put_away={count}")


async def stop(visit: Visit) -> Response:
    replay_id = visit.field("replay")
    if _REPLAY.fullmatch(replay_id):
        async with visit.reading() as connection:
            await engine.stop(connection, replay_id, visit.person.name)
    return visit.go(f"/dead-letters?replay={replay_id}")


def _heap(visit: Visit) -> tuple[str, str]:
    """One heap, never all of them: an empty case is that of what met none."""
    return visit.field("integration"), visit.field("case") or engine.WITHOUT_CASE


def _hold(visit: Visit) -> engine.Hold:
    return engine.Hold(visit.field("held_by") or None, visit.field("reason") or None)


def _silent(visit: Visit) -> tuple[str, str]:
    return visit.field("integration"), visit.field("provider")


def _done(visit: Visit) -> str | None:
    for name, text in _DONE.items():
        count = visit.query(name)
        if re.fullmatch(r"[0-9]{1,6}", count):
            if int(count) == 0:
                return "Nothing changed: it was decided already."
            return text.format(words.count(int(count), "message"))
    return None
