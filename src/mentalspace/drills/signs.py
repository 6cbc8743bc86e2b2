"""When what a drill promised was first seen, by the ledger's own instants."""

from __future__ import annotations

from datetime import datetime

from mentalspace.drills.observe import STEP_OF
from mentalspace.drills.stage import Stage
from mentalspace.engine.runbook import Expect

# The case's name stands in the line of a try, or of an event of the provider's.
_SIGNS = """
select
  (select min(at) from timeline
    where drill = $1 and data ->> 'case' = $2 and kind in ('classified', 'provider_event')
  ) as case,
  (select case when count(*) = cardinality($3::text[]) then max(first_at) end from (
     select min(opened_at) as first_at from incident
      where drill = $1 and rule_id = any ($3) group by rule_id) opened) as incident,
  (select case when count(*) = cardinality($3::text[]) then max(first_at) end from (
     select min(p.sent_at) as first_at from page p join incident i on i.id = p.incident_id
      where i.drill = $1 and i.rule_id = any ($3) group by i.rule_id) paged) as page,
  (select max(first_at) from (
     select min(at) as first_at from timeline where drill = $1 and kind = any ($4) group by kind
   ) steps) as steps
"""


async def signs(stage: Stage, expect: Expect) -> dict[str, datetime]:
    """By name: `case`, `incident`, `page`, and `steps` once all of them ran; what is unseen is
    left out."""
    kinds = [kind for kind, step in STEP_OF.items() if step in expect.steps]
    async with stage.services.database.as_oncall() as connection:
        row = await connection.fetchrow(
            _SIGNS, stage.run_id, expect.case, list(expect.alert), kinds
        )
    assert row is not None
    return {name: at for name, at in row.items() if at is not None}


def detected_at(expect: Expect, seen: dict[str, datetime]) -> datetime | None:
    """The moment everything that tells of the trouble had told: its case, and its page.

    Where neither is promised, the steps. None for a drill that shows that nothing happens.
    """
    promised = [name for name, given in (("case", expect.case), ("page", expect.alert)) if given]
    if not promised and expect.steps:
        promised = ["steps"]
    if not promised or any(name not in seen for name in promised):
        return None
    return max(seen[name] for name in promised)
