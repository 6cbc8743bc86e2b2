"""A game day: every drill against the running system, under ordinary traffic, written down as one
chain of evidence."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mentalspace.drills.anchor import anchor
from mentalspace.drills.background import Background, Fared, open_background
from mentalspace.drills.indicators import Tally, tally
from mentalspace.drills.record import Occasion, begin
from mentalspace.drills.run import (
    AT_ONCE,
    DrillResult,
    keep_going,
    new_run_id,
    refuse_live,
    room_of,
    run_drill,
    select,
)
from mentalspace.drills.sheet import Sheet, iso
from mentalspace.drills.steady import Steady
from mentalspace.engine.evidence import append, read_chain, write_head_down
from mentalspace.engine.log import get_logger
from mentalspace.engine.runbook import Drill, Rehearsal
from mentalspace.engine.services import Services
from mentalspace.kernel.chain import Entry
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.game_day import in_trouble, refusal_words, spread

BEAT_EVERY_S = 2.0
SILENT_S = 60.0
# A drill that never ran is taken to last as long as most do.
USUAL_S = 6.0
HEALED_WITHIN_S = 30.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rooms` are as `select` takes them; none means all. After `within_s` nothing new begins. It
    is held `anyway` though one of its rooms has an open incident of its own."""

    actor: str
    rooms: Sequence[str] = ()
    per_minute: float = 30.0
    within_s: float = 3600.0
    anyway: bool = False


@dataclass(slots=True)
class GameDay:
    """One that is being held. `stop` ends it early, with everything healed and written down."""

    services: Services
    plan: Plan
    say: Callable[[str], None]
    id: str = field(default_factory=lambda: f"gd-{secrets.token_hex(4)}")
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    results: list[DrillResult] = field(default_factory=list)
    drills: list[Drill | Rehearsal] = field(init=False)
    estimate_s: float = 0.0
    early: str | None = None  # why it ended before its end

    async def open(self) -> None:
        """Say what is planned, to whoever watches and in the chain's first entry. Raises Refused
        where there is nothing to run, something is broken already, or another game day is under
        way."""
        refuse_live(self.services)
        self.drills = select(self.services, list(self.plan.rooms))
        beside = await self._trouble()
        if beside and not self.plan.anyway:
            raise Refused("in_trouble", f"{refusal_words(beside)}; wait, or say --anyway")
        await _leave_abandoned(self.services)
        self.estimate_s = await estimate(self.services, self.drills)
        async with self.services.database.as_dispatcher() as connection:
            await connection.execute("lock table game_day in share row exclusive mode")
            if await connection.fetchval("select id from game_day where state = 'running'"):
                text = "a game day is under way; wait for its end, or stop it on its page"
                raise Refused("game_day_under_way", text)
            await connection.execute(
                "insert into game_day (id, actor, planned, per_minute, estimate_s)"
                " values ($1, $2, $3, $4, $5)",
                self.id,
                self.plan.actor,
                [drill.id for drill in self.drills],
                self.plan.per_minute,
                self.estimate_s,
            )
            record = await anchor(self.services, connection, self.id, self.drills)
            planned = {
                "actor": self.plan.actor,
                "per_minute": self.plan.per_minute,
                "within_s": self.plan.within_s,
                "estimate_s": self.estimate_s,
                "at_once": AT_ONCE,
                **({"beside": beside} if beside else {}),
            }
            await append(connection, self.id, "opened", {**record, **planned})

    async def _trouble(self) -> list[str]:
        rooms = {room_of(drill) for drill in self.drills}
        async with self.services.database.as_oncall() as connection:
            return await in_trouble(connection, rooms, self.plan.per_minute)

    async def hold(self) -> Entry:
        """Run what is planned; the closing entry. Whatever fails, it is closed and healed."""
        background = await open_background(self.services, self.plan.per_minute, self.id)
        before = await tally(self.services)
        sending = asyncio.create_task(background.run())
        watching = asyncio.create_task(self._watch(background))
        try:
            await self._run_all()
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            watching.cancel()
        fared = await background.settle()
        after = await tally(self.services)
        apart = {room: after[room].since(before[room]) for room in after}
        return await self._close(fared, apart)

    async def _run_all(self) -> None:
        steady = Steady(self.services, self.id)
        waiting = list(reversed(self.drills))
        runners = [asyncio.create_task(self._runner(waiting, steady)) for _ in range(AT_ONCE)]
        stopped = asyncio.create_task(self.stop.wait())
        ended = asyncio.gather(*runners)
        try:
            either: set[asyncio.Future[Any]] = {stopped, ended}
            await asyncio.wait(
                either, timeout=self.plan.within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not ended.done():
                self.early = "it was stopped" if self.stop.is_set() else "its time was up"
                waiting.clear()
                for runner in runners:
                    runner.cancel()
                await asyncio.wait(runners, timeout=HEALED_WITHIN_S)
        finally:
            stopped.cancel()
            with suppress(asyncio.CancelledError):
                await ended
            await steady.close()

    async def _runner(self, waiting: list[Drill | Rehearsal], steady: Steady) -> None:
        while waiting:
            drill = waiting.pop()
            result = await self._run(drill, steady)
            self.results.append(result)
            self.say(self._line(result))

    async def _run(self, drill: Drill | Rehearsal, steady: Steady) -> DrillResult:
        """One drill; what keeps even its evidence from being written ends nothing but it."""
        run_id, occasion = new_run_id(), Occasion(self.plan.actor, self.id)
        try:
            await begin(self.services, Sheet(drill, run_id, self.services.clock.now), occasion)
            return await run_drill(self.services, drill, run_id, occasion=occasion, steady=steady)
        except Exception as error:
            log.error("drill_not_written_down", drill=drill.id, error=type(error).__name__)
            missing = {"missing": [f"could not be written down: {type(error).__name__}"]}
            return DrillResult(drill.id, False, {}, missing, 0.0, run_id, "failed")

    def _line(self, result: DrillResult) -> str:
        word = {"passed": "passed", "failed": "FAILED", "interrupted": "stopped"}[result.outcome]
        parts = [f"{result.seconds:.1f} s"]
        if result.detect_s is not None:
            parts.append(f"detected after {result.detect_s:.1f} s")
        if result.recover_s is not None:
            parts.append(f"recovered after {result.recover_s:.1f} s")
        number = f"[{len(self.results)}/{len(self.drills)}]"
        return f"{number:>9} {word}  {result.id}  {', '.join(parts)}"

    async def _watch(self, background: Background) -> None:
        """Tell whoever watches how it goes, and hear whether somebody wants it to end."""
        while True:
            fared = await background.fared()
            async with self.services.database.as_dispatcher() as connection:
                wanted = await connection.fetchval(
                    "update game_day set beat_at = clock_timestamp(), background = $2"
                    " where id = $1 returning stop_wanted",
                    self.id,
                    fared.public(),
                )
            if wanted:
                self.stop.set()
            await asyncio.sleep(BEAT_EVERY_S)

    async def _close(self, fared: Fared, apart: dict[str, Tally]) -> Entry:
        """Summed up from the chain itself, so that the sum is of what stands there."""
        state = "finished" if self.early is None else "interrupted"
        async with self.services.database.as_dispatcher() as connection:
            chain = await read_chain(connection, self.id)
            record = self._closing([entry.record for entry in chain[1:]], fared, apart)
            entry = await append(connection, self.id, "closed", record)
            await connection.execute(
                "update game_day set finished_at = app.now(), state = $2, background = $3"
                " where id = $1",
                self.id,
                state,
                fared.public(),
            )
        write_head_down(entry)
        return entry

    def _closing(
        self, runs: Sequence[dict[str, Any]], fared: Fared, apart: dict[str, Tally]
    ) -> dict[str, Any]:
        outcomes = Counter(run["outcome"] for run in runs)
        ran = {run["drill"] for run in runs}
        return {
            "game_day": self.id,
            "finished_at": iso(self.services.clock.now()),
            "ended_early": self.early,
            "passed": outcomes["passed"],
            "failed": outcomes["failed"],
            "interrupted": outcomes["interrupted"],
            "not_run": [drill.id for drill in self.drills if drill.id not in ran],
            "time_to_detect_s": spread([run["time_to_detect_s"] for run in runs]),
            "time_to_recover_s": spread([run["time_to_recover_s"] for run in runs]),
            "background": fared.public() | {"untouched": fared.untouched},
            "indicators": {room: one.public() for room, one in apart.items()},
        }

    @property
    def passed(self) -> bool:
        """Whether everything planned ran and held; the background is judged in the report."""
        return self.early is None and all(result.passed for result in self.results)


async def start_game_day(
    services: Services, actor: str, rooms: list[str], per_minute: float
) -> str:
    """Hold one in the background and return its id at once; its page shows how it goes, and has
    asked whether it is meant where something is broken already."""
    day = GameDay(services, Plan(actor, rooms, per_minute, anyway=True), lambda _line: None)
    await day.open()
    keep_going(day.hold())
    return day.id


async def estimate(services: Services, drills: Sequence[Drill | Rehearsal]) -> float:
    """Seconds until all have run, by how long each took last; never less than the longest one."""
    async with services.database.as_dispatcher() as connection:
        rows = await connection.fetch(
            "select distinct on (drill) drill, seconds from drill_run where seconds is not null"
            " and passed order by drill, finished_at desc"
        )
    took = {row["drill"]: float(row["seconds"]) for row in rows}
    each = [took.get(drill.id, USUAL_S) for drill in drills]
    return round(max(sum(each) / AT_ONCE, max(each, default=0.0)) + USUAL_S, 1)


async def _leave_abandoned(services: Services) -> None:
    """A game day whose process is gone was interrupted; its chain says so and is closed."""
    async with services.database.as_dispatcher() as connection:
        rows = await connection.fetch(
            "update game_day set state = 'interrupted', finished_at = app.now()"
            " where state = 'running'"
            " and beat_at < clock_timestamp() - $1 * interval '1 s' returning id",
            SILENT_S,
        )
        for row in rows:
            record = {"game_day": row["id"], "ended_early": "its process was gone"}
            await append(connection, row["id"], "closed", record)
