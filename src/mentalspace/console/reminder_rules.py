"""The practice's rules for reminders, and how far coming appointments have followed them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.responses import Response

from mentalspace.console.door import Visit
from mentalspace.console.lead_form import UNITS, LeadRow, leads_of, rows_of, sent_rows
from mentalspace.practice.audit import note
from mentalspace.practice.reminder_policy import PolicyWrong, read_policy, save_policy

NOT_A_NUMBER = "Write each time as a whole number, and leave a row empty if you do not need it."
_HOURS = re.compile(r"[0-9]{1,4}")


async def rules(visit: Visit) -> Response:
    return await _page(visit, done=visit.query("done") == "saved")


async def save(visit: Visit) -> Response:
    rows, hours = sent_rows(visit.field), visit.field("cancel_before_h").strip()
    leads, practice_id = leads_of(rows), visit.person.practice_id
    if leads is None or not _HOURS.fullmatch(hours):
        return await _page(visit, problem=NOT_A_NUMBER, rows=rows, cancel_before_h=hours)
    assert practice_id is not None
    try:
        async with visit.reading() as connection:
            texts = visit.field("texts") == "1"
            await save_policy(connection, practice_id, leads, int(hours), texts=texts)
            actor = str(visit.person.user_id)
            await note(connection, actor, "reminders.changed", practice_id=practice_id)
    except PolicyWrong as error:
        return await _page(visit, problem=str(error), rows=rows, cancel_before_h=hours)
    return visit.go("/settings/reminders?done=saved")


async def _page(
    visit: Visit,
    *,
    done: bool = False,
    problem: str | None = None,
    rows: Sequence[LeadRow] | None = None,
    cancel_before_h: str | None = None,
) -> Response:
    assert visit.person.practice_id is not None
    async with visit.reading() as connection:
        policy = await read_policy(connection, visit.person.practice_id)
    return await visit.show(
        "reminder_rules.html",
        http=200 if problem is None else 422,
        policy=policy,
        rows=rows_of(policy.leads_min) if rows is None else rows,
        units=UNITS,
        cancel_before_h=policy.cancel_before_h if cancel_before_h is None else cancel_before_h,
        may_change=visit.person.may("reminders.write"),
        done=done,
        problem=problem,
    )
