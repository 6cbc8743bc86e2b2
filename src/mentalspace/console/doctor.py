"""The doctor's page: one room's whole condition, looked at when a person opens it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from mentalspace.console.chart import draw_days
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.doctor import read_days
from mentalspace.console.words import State
from mentalspace.engine.rates import DAY_S, HOUR_S, MONTH_S, Rates
from mentalspace.kernel.checkup import State as Looked
from mentalspace.workflows.doctor import Verdict, examine

_WHOSE = {
    "nobody": State("Well", "ok", "nothing fails"),
    "ours": State("Ours", "bad", "the cause is on our side"),
    "theirs": State("Theirs", "bad", "the provider fails"),
    "both": State("Ours and theirs", "bad", "there is something on both sides"),
    "unclear": State("Unclear", "warn", "something is wrong, and not yet whose"),
}
_UNEASY = State("Not quite well", "warn", "no call fails, and something is to be looked at")
_FINDING: dict[Looked, State] = {
    "good": State("Good", "ok", "as it should be"),
    "warning": State("Warning", "warn", "it works, and should be mended"),
    "bad": State("Bad", "bad", "it does not work"),
}
_RULE = {
    "normal": State("Normal", "ok", "nothing beyond chance"),
    "pending": State("Pending", "warn", "it holds, and not yet for long enough"),
    "error": State("Error", "bad", "it could not be evaluated: nobody would be told"),
    "alerting": State("Alerting", "bad", "it holds"),
    "recovering": State("Recovering", "warn", "it no longer holds, and is watched for a while"),
    "no_data": State("No data", "idle", "nothing to judge by, which is not the same as well"),
}
ROWS = 3


async def first(visit: Visit) -> Response:
    """The first room's page; the others are a tab away."""
    for room in visit.services.rooms:
        return visit.go(f"/doctor/{room}")
    raise Missing


async def doctor(visit: Visit) -> Response:
    room = str(visit.request.path_params["room"])
    if room not in visit.services.rooms:
        raise Missing
    if visit.is_fragment:
        # Providers are asked when a person opens the page, not at every refresh of it.
        return await visit.show("fragment.html")
    await visit.note_reading("doctor.read")
    [report] = await examine(
        visit.services, room, practice_id=visit.person.practice_id, reading=visit.reading
    )
    ids = [line.id for line in report.credentials]
    async with visit.services.database.as_oncall() as connection:
        days = await read_days(connection, ids, visit.services.runbooks.room(room).recipient_cases)
    return await visit.show(
        "doctor.html",
        report=report,
        verdict=_verdict(report.verdict),
        rooms=list(visit.services.rooms),
        checks=[(_FINDING[f.state], f) for f in report.checks],
        rates=_rates(report.rates),
        answers=[answer.narrowed(ROWS) for answer in report.answers],
        alerts=[(_RULE[line.state], line) for line in report.alerts],
        chart=draw_days(days),
        days=days,
        issues=visit.services.runbooks.room(room).issues,
    )


def _verdict(verdict: Verdict) -> State:
    return _UNEASY if verdict.is_uneasy else _WHOSE[verdict.whose]


def _rates(rates: Rates) -> dict[str, Any]:
    """A row for each metric with its hour, day and month; and what is counted beside them."""
    spans = (HOUR_S, DAY_S, MONTH_S)
    columns = [rates.at(None, span_s) for span_s in spans]
    return {
        "rows": list(zip(*columns, strict=True)),
        "counts": [rates.counts[None, span_s] for span_s in spans],
    }
