"""Dead letters from the command line: what is asked for goes again, and nothing beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg

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


async def test_what_met_no_case_goes_again_by_itself(
    admin_url: str, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    """`--case none` sends the two that met none, and leaves the three with a case."""
    environment = environment_of(tmp_path / "home", DATABASE_URL=admin_url)
    await MentalSpace(environment)._prepare(admin_url, lambda _line: None)
    await admin.execute(_HELD, None, 1, 2)
    await admin.execute(_HELD, "email.unmatched", 3, 5)
    words = ("replay", "--integration", "email", "--case", "none", "--yes")
    told = await asyncio.to_thread(mentalspace, environment, *words, "--json")
    said = json.loads(told.stdout)
    assert (said["sent"], [heap["safe"] for heap in said["heaps"]]) == (2, [2]), told.stderr
    left = await admin.fetch("select last_case from delivery where status = 'held'")
    assert [row["last_case"] for row in left] == 3 * ["email.unmatched"]
