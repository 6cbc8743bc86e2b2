"""Dead letters from the command line: what is asked for goes again, and nothing beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.main import MentalSpace
from tests.cli.commands import environment_of, mentalspace

_HELD = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, traceparent, status, held_reason, last_case)
select practice_id, id, credential_id, integration, 'reminder', 'k' || number, 'held/' || number,
       '', 'held', 'for a test', $1
  from (select * from lane where integration = 'email' order by id limit 1) lane
 cross join generate_series($2::int, $3) number
"""


_BY_NOOR = """
with said as (
  insert into timeline (practice_id, delivery_id, kind, data, actor)
  select practice_id, id, 'held', '{"reason": "noor holds it: their page says so"}', 'noor'
    from delivery where idempotency_key = any ($1))
update delivery set held_reason = 'noor holds it: their page says so'
 where idempotency_key = any ($1)
"""


@pytest.fixture
async def environment(
    admin_url: str, admin: asyncpg.Connection[Any], tmp_path: Path
) -> dict[str, str]:
    """Of an installation that holds two messages without a case and three with one."""
    environment = environment_of(tmp_path / "home", DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    await admin.execute(_HELD, None, 1, 2)
    await admin.execute(_HELD, "email.unmatched", 3, 5)
    return environment


async def test_what_met_no_case_goes_again_by_itself(
    environment: dict[str, str], admin: asyncpg.Connection[Any]
) -> None:
    """`--case none` sends the two that met none, and leaves the three with a case."""
    words = ("replay", "--integration", "email", "--case", "none", "--yes")
    told = await asyncio.to_thread(mentalspace, environment, *words, "--json")
    said = json.loads(told.stdout)
    assert (said["sent"], [heap["safe"] for heap in said["heaps"]]) == (2, [2]), told.stderr
    left = await admin.fetch("select last_case from delivery where status = 'held'")
    assert [row["last_case"] for row in left] == 3 * ["email.unmatched"]


async def test_what_a_person_holds_goes_by_their_name_only(
    environment: dict[str, str], admin: asyncpg.Connection[Any]
) -> None:
    """Told with who, why and since when; --yes leaves it, and --held-by sends it alone."""
    await admin.execute(_BY_NOOR, ["held/1", "held/2"])
    told = await asyncio.to_thread(mentalspace, environment, "replay", "--yes")
    assert "no case (email): held by noor since 20" in told.stdout, told.stderr
    assert "UTC: their page says so; 2 not sent yet" in told.stdout
    assert "what a person holds stays; --held-by NAME --yes sends theirs" in told.stdout
    assert "\n3 go again\n" in told.stdout
    told = await asyncio.to_thread(mentalspace, environment, "replay", "--held-by", "noor")
    assert told.stdout.endswith("nothing was changed; --yes sends the safe ones again\n")
    words = ("replay", "--held-by", "noor", "--yes")
    told = await asyncio.to_thread(mentalspace, environment, *words)
    assert told.stdout.endswith("2 go again\n"), told.stderr
