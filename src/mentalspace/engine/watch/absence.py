"""Rules on silence: nothing is sent at an hour at which there always is something to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, nothing
from mentalspace.engine.watch.weeks import WEEKS, Taken, is_open, last_window, read_taken


async def look_at_absence(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    open_now = [s for s in subjects if is_open(s.opening, s.zone, s.now)]
    spans = {
        s.credential_id: [
            last_window(s.zone, s.now, rule.window_s, week) for week in range(WEEKS + 1)
        ]
        for s in open_now
    }
    taken = await read_taken(connection, spans)
    looks = {s.credential_id: nothing("the practice is closed") for s in subjects}
    looks |= {s.credential_id: _look(rule, s, taken[s.credential_id]) for s in open_now}
    return looks


def is_absent(rule: AlertRule, taken: int, expected: float | None) -> bool:
    """Nothing at all, where chance alone leaves that empty less than once in a thousand times.

    The rule's threshold is the fewest that must be expected for that: at 7, it is e^-7.
    """
    least = 7.0 if rule.threshold is None else rule.threshold
    return taken == 0 and expected is not None and expected >= least


def _look(rule: AlertRule, subject: Subject, taken: Taken) -> Look:
    span = f"{rule.window_s / 3600:g} h"
    expected = taken.usual
    if expected is None:
        return nothing("too few weeks to know what is usual")
    if expected < (rule.threshold or 7.0):
        # Then the doctor's own calls say whether it works.
        return nothing(f"{expected:g} are usual in {span}: too few to miss any")
    return Look(
        value=float(taken.now),
        n=round(expected),
        fires=is_absent(rule, taken.now, expected),
        seen=f"{taken.now} taken in {span}, {expected:g} are usual at this hour",
        since=subject.last_good_at,
        fault=rule.fault.value if rule.fault else "unclear",
        facts={"expected": expected, "window_s": rule.window_s},
    )
