"""`mentalspace bench`: what is promised, in numbers, each beside a peer in the same run."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping

from benchmarks import backlog, files, hooks, ops, pace, page, recovery, texts, throughput
from benchmarks.figure import Figure, as_table
from benchmarks.stage import Stage, open_stage
from mentalspace.engine.log import configure_logs

Bench = Callable[[Stage, argparse.Namespace], Awaitable[list[Figure]]]

BENCHES: Mapping[str, Bench] = {
    "throughput": lambda stage, given: throughput.measure(stage, given.count),
    "pace":       lambda stage, given: pace.measure(stage, given.seconds),
    "backlog":    lambda stage, given: backlog.measure(stage, given.seconds / 2),
    "hooks":      lambda stage, given: hooks.measure(stage, given.seconds / 4),
    "texts":      lambda stage, given: texts.measure_pace(stage, given.seconds),
    "code":       lambda stage, given: texts.measure_code(stage, given.seconds / 2),
    "ops":        lambda stage, given: ops.measure(stage, given.messages, given.seconds),
    "storage":    lambda stage, given: files.measure(stage, given.objects),
    "page":       lambda stage, _given: page.measure(stage),
    "recovery":   lambda stage, _given: recovery.measure(stage),
}  # fmt: skip


async def run(given: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    async with open_stage() as stage:
        for name in given.names or BENCHES:
            began = time.monotonic()
            figures += await BENCHES[name](stage, given)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="mentalspace bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHES)}; all of them if none")
    parser.add_argument("--count", type=int, default=3000, help="mails of throughput (3000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of pace (60); others less")
    parser.add_argument(
        "--messages", type=int, default=200_000, help="in the ledger of ops (200000)"
    )
    parser.add_argument("--objects", type=int, default=100_000, help="in storage's list (100000)")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHES]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    with tempfile.TemporaryFile("w") as logs:
        configure_logs("bench", logs)
        print(as_table(asyncio.run(run(given))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
