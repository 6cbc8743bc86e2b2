"""Dead letters: how many are held, how many of them may go again, and sending those."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import StringConstraints

from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine import again
from mentalspace.engine import replay as engine
from mentalspace.engine.unheard import ask_once_more, put_away, read_unheard
from mentalspace.engine.unknown import read_long_unknown

routes = APIRouter(tags=["dead letters"])

Word = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z0-9_.]+$")]


class Heap(Out):
    """What is held because of one case. `safe` may go again; `perhaps_sent` a person looks up at
    the provider first; of `of_no_use` the time has passed. What a person holds is a heap of its
    own, with who, why and since when: ask them before it goes."""

    integration: str
    case_id: str | None
    held_by: str | None
    reason: str | None
    held_at: datetime | None
    safe: int
    perhaps_sent: int
    of_no_use: int
    people: int
    paused: int
    oldest_at: datetime
    useful_until: datetime | None


class LongUnknown(Out):
    """Perhaps sent: unknown for over ten minutes, and still asked for unless the breaker is open or
    a lane paused."""

    integration: str
    provider: str
    number: int
    oldest_at: datetime
    breaker_open: bool
    paused: bool


class Unheard(Out):
    """Taken by the provider, which is silent about it though it was asked; of the last week."""

    integration: str
    provider: str
    number: int
    people: int
    oldest_at: datetime


class EndedHeap(Out):
    """What ended because of one case and may go again; `gone` may not, because what it names is
    not here any more."""

    integration: str
    case_id: str | None
    may_go: int
    gone: int
    oldest_at: datetime


class Heaps(Out):
    """`ended` were not held: refused, failed or expired, of a kind that is never there twice.
    `unknown` and `unheard` are every integration's, whatever was asked for: none of it is
    held."""

    items: list[Heap]
    ended: list[EndedHeap]
    unknown: list[LongUnknown]
    unheard: list[Unheard]


class Which(Body):
    """All left out, everything that no person holds; with `held_by`, what they hold. With `ended`,
    what ended and may go again instead. The case `none` is what met no case."""

    integration: Word | None = None
    case_id: Word | None = None
    held_by: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    ended: bool = False


class OfProvider(Body):
    integration: Word
    provider: Word


class Changed(Out):
    """How many it was."""

    number: int


class Progress(Out):
    """`held_again` met the same trouble; `failed` ended without having been sent."""

    replay: str
    total: int
    waiting: int
    arrived: int
    held_again: int
    failed: int


Decider = Annotated[Visit, allowed("deliveries.decide")]
ReplayId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


@routes.get("/v1/dead-letters", summary="What is held, in heaps; changes nothing")
async def dead_letters(
    visit: Decider, integration: Word | None = None, case_id: Word | None = None
) -> Heaps:
    async with visit.reading() as connection:
        heaps = await engine.preflight(connection, integration, case_id)
        ended = await again.preflight(connection, visit.services.rooms, integration, case_id)
        unknown = await read_long_unknown(connection)
        unheard = await read_unheard(connection)
    return Heaps(
        items=[Heap(**asdict(heap)) for heap in heaps],
        ended=[EndedHeap(**asdict(heap)) for heap in ended],
        unknown=[LongUnknown(**asdict(one)) for one in unknown],
        unheard=[Unheard(**asdict(one)) for one in unheard],
    )


@routes.post(
    "/v1/dead-letters/unheard/questions",
    summary="Ask once more after what was taken and never heard of",
    status_code=202,
)
async def ask(visit: Decider, which: OfProvider) -> Changed:
    """At most a thousand at once; what is still not known comes back to the list."""
    async with visit.reading() as connection:
        number = await ask_once_more(connection, visit.actor, which.integration, which.provider)
    return Changed(number=number)


@routes.post(
    "/v1/dead-letters/unheard/put-away", summary="Say that somebody has seen to what was silent"
)
async def seen_to(visit: Decider, which: OfProvider) -> Changed:
    """They stay accepted, and leave the list."""
    async with visit.reading() as connection:
        number = await put_away(connection, visit.actor, which.integration, which.provider)
    return Changed(number=number)


@routes.post("/v1/dead-letters/replays", summary="Send the safe ones again", status_code=202)
async def start(visit: Decider, which: Which) -> Progress:
    """At most a thousand at once, under their own keys. Nothing that may be out already goes. In
    the place of what ended, others go, which are not there twice either."""
    replay_id = await _send(visit, which)
    async with visit.reading() as connection:
        seen = await engine.progress(connection, replay_id)
    return _shown(seen or engine.Progress(replay_id, 0, 0, 0, 0, 0))


@routes.get(
    "/v1/dead-letters/replays/{replay_id}", summary="How a replay goes", responses={404: {}}
)
async def replay(visit: Decider, replay_id: ReplayId) -> Progress:
    async with visit.reading() as connection:
        seen = await engine.progress(connection, replay_id)
    if seen is None:
        raise not_found()
    return _shown(seen)


@routes.post(
    "/v1/dead-letters/replays/{replay_id}/stop",
    summary="Hold what of it has not left",
    responses={404: {}},
)
async def stop(visit: Decider, replay_id: ReplayId) -> Progress:
    async with visit.reading() as connection:
        await engine.stop(connection, replay_id, visit.actor)
    return await replay(visit, replay_id)


async def _send(visit: Visit, which: Which) -> str:
    these = (visit.actor, which.integration, which.case_id)
    services = visit.services
    async with visit.reading() as connection:
        if which.ended:
            sent = again.send_again(services.database, connection, services.rooms, *these)
            return (await sent)[0]
        hold = engine.Hold(which.held_by)
        return (await engine.replay(connection, *these, hold=hold))[0]


def _shown(progress: engine.Progress) -> Progress:
    return Progress(**asdict(progress))
