"""Rules on money: today costs far more than this day of the week does, or suddenly runs away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, Price, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, nothing
from mentalspace.engine.watch.weeks import WEEKS, Taken, day_so_far, read_taken


async def look_at_cost(
    connection: Connection, room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    price = room.overview.price
    assert price is not None, f"{rule.id} needs a price; `runbook check` says so"
    spans = {
        s.credential_id: [
            day_so_far(s.zone, s.now, rule.window_s, week) for week in range(WEEKS + 1)
        ]
        for s in subjects
    }
    taken = await read_taken(connection, spans, weighed=True)
    return {s.credential_id: _look(rule, price, s, taken[s.credential_id]) for s in subjects}


def overspends(rule: AlertRule, spent: float, usual: float) -> bool:
    """So many times the usual, and more above it than the floor: cents double every day."""
    times = 2.0 if rule.threshold is None else rule.threshold
    return spent > times * usual and spent - usual > rule.floor


def _look(rule: AlertRule, price: Price, subject: Subject, taken: Taken) -> Look:
    if taken.usual is None or taken.usual_recent is None:
        return nothing("too few weeks to know what is usual")
    spent, usual = taken.now * price.amount, taken.usual * price.amount
    lately, usually = taken.recent * price.amount, taken.usual_recent * price.amount
    runs_away = overspends(rule, lately, usually)
    seen = f"{spent:.2f} {price.currency} so far today, {usual:.2f} is usual"
    if runs_away:
        seen += f"; {lately:.2f} in {rule.window_s / 60:g} min, {usually:.2f} is usual"
    return Look(
        value=spent,
        n=taken.now,
        fires=overspends(rule, spent, usual) or runs_away,
        seen=seen,
        since=subject.now if runs_away else None,
        fault=rule.fault.value if rule.fault else "ours",
        facts={"spent": round(spent, 4), "usual": round(usual, 4), "currency": price.currency},
    )
