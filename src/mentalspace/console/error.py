"""The error explorer: what goes wrong, how often, to how many, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.chart import Chart, draw_trend
from mentalspace.console.door import Visit
from mentalspace.console.queries.error import BEHIND_DAYS, Seen, read_errors
from mentalspace.kernel.case import ErrorCase

FAULTS = ("ours", "theirs", "recipient")


@dataclass(frozen=True, slots=True)
class Row:
    """`case` is None for one that is no longer in the runbook."""

    seen: Seen
    case: ErrorCase | None
    chart: Chart
    done: str

    @property
    def fault(self) -> str:
        return self.case.fault.value if self.case else "unclear"


async def errors(visit: Visit) -> Response:
    """On-call sees every practice's, staff their own; nobody is named."""
    integration, fault = visit.query("integration"), visit.query("fault")
    integration = integration if integration in visit.services.rooms else ""
    fault = fault if fault in FAULTS else ""
    drills = visit.query("drills") == "1"
    async with visit.reading() as connection:
        zone = await connection.fetchval(
            "select timezone from practice where id = $1", visit.person.practice_id
        )
        seen = await read_errors(connection, zone or "UTC", integration=integration, drills=drills)
    cases = {case.id: case for case in visit.services.runbooks.cases}
    rows = [_row(one, cases.get(one.case_id)) for one in seen]
    return await visit.show(
        "errors.html",
        rows=[row for row in rows if fault in ("", row.fault)],
        integration=integration,
        fault=fault,
        faults=FAULTS,
        drills=drills,
        behind=BEHIND_DAYS,
    )


def _row(seen: Seen, case: ErrorCase | None) -> Row:
    tone = "warn" if case and case.fault.value == "recipient" else "bad"
    return Row(seen, case, draw_trend(seen.days, tone), _done(case))


def _done(case: ErrorCase | None) -> str:
    """What the engine does with a message that meets it, and the steps after that."""
    if case is None:
        return "no longer in the runbook"
    events_only = bool(case.match) and all(match.kind == {"event"} for match in case.match)
    ended = "told by the provider afterwards; nothing to try again"
    first = ended if events_only else words.DISPOSITION[case.disposition.value]
    return "; ".join([first, *(words.step(step.do, step.params) for step in case.steps)])
