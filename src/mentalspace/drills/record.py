"""What stays of a drill's run: its row, and its entry in the chain of evidence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from mentalspace.drills.sheet import Sheet, iso
from mentalspace.engine.evidence import SINGLE_RUNS, append
from mentalspace.engine.runbook import Drill
from mentalspace.engine.runbook.revision import drill_revision
from mentalspace.engine.services import Services
from mentalspace.kernel.chain import Entry

RUN_FORMAT = 1

_FINISH = """
insert into drill_run (id, drill, actor, started_at, finished_at, passed, expected, observed,
  seconds, game_day, injected_at, detected_at, healed_at, recovered_at, proved, revision,
  chain, seq)
values ($1, $2, $3, $4, app.now(), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict (id) do update set finished_at = app.now(), passed = excluded.passed,
  expected = excluded.expected, observed = excluded.observed, seconds = excluded.seconds,
  injected_at = excluded.injected_at, detected_at = excluded.detected_at,
  healed_at = excluded.healed_at, recovered_at = excluded.recovered_at,
  proved = excluded.proved, revision = excluded.revision,
  chain = excluded.chain, seq = excluded.seq
"""


@dataclass(frozen=True, slots=True)
class Occasion:
    """On what occasion a drill runs: by itself, or on a game day."""

    actor: str = "drill"
    game_day: str | None = None

    @property
    def chain(self) -> str:
        return self.game_day or SINGLE_RUNS


async def begin(services: Services, sheet: Sheet, occasion: Occasion) -> None:
    """Say that it runs, for whoever watches."""
    async with services.database.as_dispatcher() as connection:
        await connection.execute(
            "insert into drill_run (id, drill, actor, game_day) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            sheet.run_id,
            sheet.drill.id,
            occasion.actor,
            occasion.game_day,
        )


async def write_down(services: Services, sheet: Sheet, occasion: Occasion) -> Entry:
    """The row and the evidence, in one transaction."""
    seconds = round(time.monotonic() - sheet.began, 2)
    if sheet.failures:
        sheet.observed["missing"] = sheet.failures
    revision = drill_revision(services.runbooks, sheet.drill)
    async with services.database.as_dispatcher() as connection:
        record = run_record(sheet, occasion, revision, seconds)
        entry = await append(connection, occasion.chain, "drill", record)
        await connection.execute(
            _FINISH,
            sheet.run_id,
            sheet.drill.id,
            occasion.actor,
            sheet.began_at,
            sheet.outcome == "passed",
            sheet.expected,
            sheet.observed,
            seconds,
            occasion.game_day,
            sheet.injected_at,
            sheet.detected_at,
            sheet.healed_at,
            sheet.recovered_at,
            sheet.proved,
            revision,
            occasion.chain,
            entry.seq,
        )
    return entry


def run_record(
    sheet: Sheet, occasion: Occasion, revision: dict[str, str], seconds: float
) -> dict[str, Any]:
    """The whole run as evidence: no name, no address but the drill's own made-up ones."""
    drill = sheet.drill
    room = drill.room if isinstance(drill, Drill) else "house"
    seen = sheet.observed.get("then", {})
    is_drill = isinstance(drill, Drill)
    return {
        "format": RUN_FORMAT,
        "run": sheet.run_id,
        "drill": drill.id,
        "title": drill.title,
        "room": room,
        "provider": sheet.provider,
        "actor": occasion.actor,
        "outcome": sheet.outcome,
        "seed": list(drill.seed) if isinstance(drill, Drill) else [],
        "proved": sheet.proved,
        "revision": revision,
        "began_at": iso(sheet.began_at),
        "seconds": seconds,
        "injected_at": iso(sheet.injected_at),
        "detected_at": iso(sheet.detected_at),
        "healed_at": iso(sheet.healed_at),
        "recovered_at": iso(sheet.recovered_at),
        "time_to_detect_s": sheet.detect_s,
        "time_to_recover_s": sheet.recover_s,
        "signs": {name: iso(at) for name, at in sheet.signs.items()},
        "fired": {
            "cases": list(seen.get("cases", ())) if is_drill else [],
            "rules": list(seen.get("alerts", ()) if is_drill else sheet.observed.get("rules", ())),
        },
        "expected": sheet.expected,
        "observed": sheet.observed,
        "missing": sheet.failures,
        "journal": [step.public() for step in sheet.steps],
    }
