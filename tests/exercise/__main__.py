"""`python -m tests.exercise`: somebody is called, and the truth stands beside what they wrote."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any, cast

from mentalspace.engine.log import configure_logs
from tests.exercise.answer import Box, Desk, Lines, Terminal
from tests.exercise.catalogue import FAULTS, find
from tests.exercise.director import Director, Times, draw
from tests.exercise.fault import Fault
from tests.exercise.scene import RealScene, open_scene
from tests.exercise.table import as_table


def main() -> int:
    given = _arguments()
    if given.list:
        for number, fault in enumerate(FAULTS, start=1):
            print(f"{number:>2}  {fault.name:<28}{fault.truth.cause}")
        return 0
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    with tempfile.TemporaryFile("w") as stream:
        configure_logs("exercise", cast(Any, stream))
        try:
            return asyncio.run(_run(given, seed))
        except asyncio.CancelledError:  # told to end: all is healed and gone
            return 128 + signal.SIGTERM


def _arguments() -> argparse.Namespace:
    times = Times()
    parser = argparse.ArgumentParser(prog="python -m tests.exercise", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, help="how many faults; those of --fault, else one")
    add("--seed", type=int, help="an earlier run's, to draw the same again")
    add("--fault", action="append", type=find, help="by name or number; may be given again")
    add("--list", action="store_true", help="the catalogue, for whoever directs")
    add("--box", type=Path, help="call into this directory, and take the answers from it")
    add("--answers", type=Path, help="take the answers from a file, a JSON object a line")
    add("--truth", type=Path, help="where the truth is written meanwhile")
    add("--table", type=Path, help="where the table is written at the end, besides being printed")
    add("--call-after", type=float, default=times.call_within_s / 60, metavar="MIN",
        help="call somebody then, though no incident has opened")  # fmt: skip
    add("--answer-within", type=float, default=times.answer_within_s / 60, metavar="MIN",
        help="as long as an answer is waited for")  # fmt: skip
    add("--calm-within", type=float, default=times.calm_within_s / 60, metavar="MIN",
        help="what is not calm by then after healing is given up for a fresh one")  # fmt: skip
    return parser.parse_args()


async def _run(given: argparse.Namespace, seed: int) -> int:
    playing = asyncio.current_task()
    assert playing is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    random = Random(seed)
    chosen: list[Fault] = given.fault or []
    rounds = given.rounds or len(chosen) or 1
    faults = list(islice(cycle(chosen), rounds)) if chosen else draw(FAULTS, rounds, random)
    truth = given.truth or Path(tempfile.mkdtemp(prefix="mentalspace-truth-")) / "truth.jsonl"
    _say(f"seed {seed}; the truth goes to {truth}, and is not for whoever is called")
    desk = _desk(given)

    @asynccontextmanager
    async def scene() -> AsyncIterator[RealScene]:
        _say("setting up; a day begins")
        async with open_scene(random) as opened:
            yield opened

    def tell_truth(number: int, fault: Fault) -> None:
        line = {
            "number": number,
            "fault": fault.name,
            **asdict(fault.truth),
            "healing": fault.healing,
            "laid_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with truth.open("a") as file:
            file.write(json.dumps(line) + "\n")

    times = Times(
        call_within_s=given.call_after * 60,
        answer_within_s=given.answer_within * 60,
        calm_within_s=given.calm_within * 60,
    )
    director = Director(desk, scene, _say, tell_truth, times)
    try:
        await director.run(faults)
    finally:
        table = as_table(director.rounds, seed)
        print(f"\n{table}")
        if given.table is not None:
            given.table.write_text(table)
        await desk.farewell(table)
    return 0


def _desk(given: argparse.Namespace) -> Desk:
    if given.box is not None:
        box = Box(given.box)
        box.make_ready()
        return box
    if given.answers is not None:
        return Lines(given.answers)
    return Terminal()


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
