"""The error explorer: what goes wrong, how often, to how many, and what cures it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.chart import Chart, draw_trend
from mentalspace.console.door import Visit
from mentalspace.console.figures import credentials_seen
from mentalspace.console.queries.error import BEHIND_DAYS, Seen, read_errors, read_of
from mentalspace.engine.rates import ENOUGH
from mentalspace.kernel.case import ErrorCase

FAULTS = ("ours", "theirs", "recipient")
# How far back, in days; the trend is the same in all of them.
WINDOWS: Mapping[str, str] = {
    "1": "today", "7": "7 days", "14": "14 days", "90": "90 days",
}  # fmt: skip
_WINDOW = "14"
_FIRST_THING = re.compile(
    r"^## What a person does\n+(?:1\. )?(.+?)(?=\n\d\. |\n\n|\n#|\Z)", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Row:
    """`case` is None for one that is no longer in the runbook. `of` are all messages of its
    providers, None where they are not known to be as many."""

    seen: Seen
    case: ErrorCase | None
    chart: Chart
    done: str
    of: int | None

    @property
    def fault(self) -> str:
        return self.case.fault.value if self.case else "unclear"

    @property
    def where(self) -> str:
        """The practice it strikes, or how many."""
        practices = self.seen.practices
        return practices[0] if len(practices) == 1 else words.count(len(practices), "practice")

    @property
    def share(self) -> str | None:
        """Of a hundred messages, how many met it; None where there are too few to say."""
        if self.of is None or self.of < ENOUGH:
            return None
        share = 100 * self.seen.messages / self.of
        if share < 0.1:
            return "under 0.1%"
        return f"{share:.0f}%" if share >= 10 else f"{share:.1f}%"


async def errors(visit: Visit) -> Response:
    """On-call sees every practice's, staff their own; nobody is named."""
    rooms = visit.services.rooms
    providers = {p.name: name for name, room in rooms.items() for p in room.providers}
    integration, provider = visit.query("integration"), visit.query("provider")
    integration = integration if integration in rooms else ""
    provider = provider if provider in providers else ""
    fault = visit.query("fault") if visit.query("fault") in FAULTS else ""
    days = visit.query("days") if visit.query("days") in WINDOWS else _WINDOW
    drills = visit.query("drills") == "1"
    credentials, zone = await credentials_seen(visit)
    async with visit.reading() as connection:
        seen = await read_errors(
            connection,
            zone,
            integration=integration,
            provider=provider,
            drills=drills,
            days=int(days),
        )
    # Counted for the credentials this person sees.
    async with visit.services.database.as_oncall() as connection:
        ids = [each for known in credentials.values() for each in known]
        of = await read_of(connection, ids, zone, int(days))
    cases = {case.id: case for case in visit.services.runbooks.cases}
    rows = [_row(one, cases.get(one.case_id), {} if drills else of) for one in seen]
    return await visit.show(
        "errors.html",
        rows=[row for row in rows if fault in ("", row.fault)],
        integration=integration,
        provider=provider,
        providers=providers,
        fault=fault,
        faults=FAULTS,
        days=days,
        windows=WINDOWS,
        drills=drills,
        behind=BEHIND_DAYS,
        cure=cure,
        cases=cases,
    )


def cure(case: ErrorCase) -> str:
    """The first thing that a person does, in one line."""
    found = _FIRST_THING.search(case.body)
    return " ".join(found[1].split()).replace("`", "") if found else ""


def _row(seen: Seen, case: ErrorCase | None, of: Mapping[tuple[str, str], int]) -> Row:
    tone = "warn" if case and case.fault.value == "recipient" else "bad"
    everything = sum(of.get((seen.integration, provider), 0) for provider in seen.providers)
    # What is not a quarter of an hour old is not counted yet.
    known = everything if everything >= seen.messages else None
    return Row(seen, case, draw_trend(seen.days, tone), _done(case), known)


def _done(case: ErrorCase | None) -> str:
    """What the engine does with a message that meets it, and the steps after that."""
    if case is None:
        return "no longer in the runbook"
    events_only = bool(case.match) and all(match.kind == {"event"} for match in case.match)
    ended = "told by the provider afterwards; nothing to try again"
    first = ended if events_only else words.DISPOSITION[case.disposition.value]
    return "; ".join([first, *(words.step(step.do, step.params) for step in case.steps)])
