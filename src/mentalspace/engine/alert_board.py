"""The board of alert rules: where each stands with whom, and when it was last proven to fire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine import proof
from mentalspace.engine.alert_silence import Silence
from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, AlertState, RoomRunbook, Runbooks, rule_line
from mentalspace.engine.watch.state import URGENCY, State

# The worst of each rule; the others are counted.
SHOWN = 10

_COUNTS = """
select a.rule_id, a.state, count(*) as number
  from alert_state a join credential c on c.id = a.credential_id
 where c.active and c.drill is null and ($1::uuid is null or a.practice_id = $1)
   and ($2::text is null or a.rule_id = $2)
 group by a.rule_id, a.state
"""
_WORST = """
select ranked.*, coalesce(app.looked_at(rule_id, credential_id), since) as checked_at from (
  select a.rule_id, a.credential_id, a.practice_id, a.integration, a.state, a.since, a.detail,
         p.name as practice_name, c.provider, c.endpoint,
         (select i.id from incident i where i.key = a.key and i.status <> 'resolved')
           as incident_id,
         row_number() over (partition by a.rule_id
           order by array_position($3::text[], a.state), a.since desc, a.credential_id) as place
    from alert_state a join credential c on c.id = a.credential_id
    join practice p on p.id = a.practice_id
   where c.active and c.drill is null and ($1::uuid is null or a.practice_id = $1)
     and ($2::text is null or a.rule_id = $2)) ranked
 where place > $4 and place <= $5 order by rule_id, place
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule with one credential. `seen` is what the last look saw, beside the rule's line."""

    credential_id: UUID
    practice_id: UUID
    practice_name: str
    provider: str
    endpoint: str
    state: State
    since: datetime
    checked_at: datetime
    value: float | None
    n: int | None
    seen: str
    incident_id: UUID | None
    silence: Silence | None


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One rule: its worst standings, how many credentials it has in each state, and the last run of
    its `drill` in which it fired."""

    integration: str
    rule: AlertRule
    line: str
    worst: tuple[Standing, ...]
    counts: Mapping[State, int]
    proven: proof.Standing
    drill: str

    @property
    def state(self) -> State:
        """The most urgent one; no data where it has nobody to look at."""
        here = [state for state in URGENCY if self.counts.get(state)]
        return here[0] if here else State.NO_DATA

    @property
    def number(self) -> int:
        return sum(self.counts.values())

    @property
    def unshown(self) -> int:
        return self.number - len(self.worst)


async def read_board(
    connection: Connection,
    overseer: Connection,
    runbooks: Runbooks,
    silences: Sequence[Silence],
    practice_id: UUID | None = None,
    *,
    rule_id: str | None = None,
    first: int = 0,
    shown: int = SHOWN,
) -> list[BoardLine]:
    """Every live rule, or one, in the order of the rooms, with so many standings after the first so
    many. `overseer` reads the drills' runs, which belong to no practice, and the states may be read
    as whoever asks."""
    worst: dict[str, list[Standing]] = {}
    about = (practice_id, rule_id)
    for row in await connection.fetch(_WORST, *about, list(URGENCY), first, first + shown):
        worst.setdefault(row["rule_id"], []).append(_standing(row, silences))
    counts: dict[str, dict[State, int]] = {}
    for row in await connection.fetch(_COUNTS, *about):
        counts.setdefault(row["rule_id"], {})[State(row["state"])] = row["number"]
    proofs = await proof.all_proven(overseer)
    now = await overseer.fetchval("select app.now()")
    written = proof.revisions(runbooks) if proofs else {}
    return [
        BoardLine(
            integration=room.room,
            rule=rule,
            line=rule_line(rule, room.overview),
            worst=tuple(worst.get(rule.id, ())),
            counts=counts.get(rule.id, {}),
            proven=proof.standing(runbooks, rule.id, proofs.get(rule.id), now, written),
            drill=_drill(room, rule),
        )
        for room in runbooks.rooms
        for rule in room.overview.alerts
        if rule.state is AlertState.LIVE and rule_id in (None, rule.id)
    ]


def _drill(room: RoomRunbook, rule: AlertRule) -> str:
    """Its id. `runbook check` knows that there is one."""
    return next((d.id for d in room.drills if rule.drill in (d.name, d.id)), "")


def _standing(row: Any, silences: Sequence[Silence]) -> Standing:
    detail = row["detail"]
    about = (row["integration"], row["rule_id"], row["practice_id"])
    return Standing(
        credential_id=row["credential_id"],
        practice_id=row["practice_id"],
        practice_name=row["practice_name"],
        provider=row["provider"],
        endpoint=row["endpoint"],
        state=State(row["state"]),
        since=row["since"],
        checked_at=row["checked_at"],
        value=detail.get("value"),
        n=detail.get("n"),
        seen=detail.get("seen", ""),
        incident_id=row["incident_id"],
        silence=next((each for each in silences if each.covers(*about)), None),
    )
