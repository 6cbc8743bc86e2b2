"""Rules on a share of callbacks that are lost while others come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from mentalspace.engine.called_back import FEWEST
from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.db import Connection
from mentalspace.engine.lost_callbacks import LostCallbacks, read_lost_callbacks
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

# Another provider's are lost as well: one proxy before our door, however many it serves.
_DOOR = "lost_callbacks:door"


async def look_at_lost_callbacks(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    found = await read_lost_callbacks(connection, ids(subjects), rule.window_s)
    looks = {each: nothing("its provider never calls back") for each in ids(subjects)}
    return looks | {each: _look(rule, lost) for each, lost in found.items()}


def _look(rule: AlertRule, found: LostCallbacks) -> Look:
    """Where none come, another rule says so, and more."""
    line, healthy = rule.threshold or 0.0, rule.healthy or 0.0
    beyond = found.lost >= FEWEST and found.share > line and found.others_come
    return Look(
        value=found.share,
        n=found.n,
        fires=beyond and is_unlikely(found.lost, found.n, healthy),
        lingers=beyond,
        seen=found.words,
        since=found.since,
        fault=found.fault,
        facts={"lost": found.lost, "n": found.n},
        first_step=found.advice if beyond else None,
        steady=False,
        shared=_DOOR if found.elsewhere else None,
    )
