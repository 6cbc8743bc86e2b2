"""`python -m tests.torture`: exits with 1 if anything was lost, sent twice, or told."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from typing import Any, cast

from mentalspace.engine.log import configure_logs
from tests.torture.campaign import Plan, run
from tests.torture.installation import public
from tests.torture.report import as_data, as_table

START_AND_END_S = 1500
LONGEST_ROUND_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="an earlier run's, to repeat it")
    parser.add_argument("--bookings-per-s", type=float, default=12.0)
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = Plan(given.rounds, seed, given.bookings_per_s)
    _say(f"seed {seed}")
    with tempfile.TemporaryFile("w") as stream:
        configure_logs("torture", cast(Any, stream))
        outcome = asyncio.run(_bounded(plan))
    _say(as_table(plan, outcome))
    _say(public(as_data(plan, outcome)))
    return 1 if outcome.violations else 0


async def _bounded(plan: Plan) -> Any:
    async with asyncio.timeout(START_AND_END_S + LONGEST_ROUND_S * plan.rounds):
        return await run(plan, _say)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
