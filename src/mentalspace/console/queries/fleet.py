"""The fleet: how each credential of each integration is doing now and in the last hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.console.chart import Bucket, Chart, draw
from mentalspace.console.words import State
from mentalspace.engine.db import Connection
from mentalspace.engine.queued import RESTS, WAITS
from mentalspace.workflows.doctor.touched import Touched, read_touched

BUCKETS = 12
# More credentials than these are no page: those that are well are told together, room by room.
CROWD = 12
# Due for so long and still here is told, whatever the last calls said.
STUCK_AFTER = timedelta(minutes=5)
# Below this a percentage says more than is known.
ENOUGH = 20

_CREDENTIALS = """
select c.id, c.integration, c.provider, c.endpoint, c.live, c.test_only,
       c.needs_agreement and not app.agreement_holds(c.practice_id, c.provider)
         as agreement_missing, p.name as practice_name,
       s.breaker, s.open_until, s.last_good_at, s.recent,
       case when s.override_until > app.now() then s.override_state end as override_state,
       s.override_reason, s.override_until,
       case when s.slow_until > clock_timestamp() then s.slow_until end as slow_until,
       c.fail_over_after_s, first.provider as first_provider, next.provider as next_provider,
       (select count(*) from timeline t
         where t.kind = 'moved' and t.drill is null and t.at > app.now() - interval '1 hour'
           and t.data ->> 'from_lane' in (select id::text from lane where credential_id = c.id)
       ) as went_over
  from credential c join practice p on p.id = c.practice_id
  left join credential_state s on s.credential_id = c.id
  left join lateral (
    select o.provider from credential o
     where o.practice_id = c.practice_id and o.integration = c.integration and o.active
       and o.drill is null and (o.rank, o.created_at, o.id) < (c.rank, c.created_at, c.id)
     order by o.rank, o.created_at, o.id limit 1) first on true
  left join lateral (
    select o.provider from credential o
     where o.practice_id = c.practice_id and o.integration = c.integration and o.active
       and o.drill is null and o.id <> c.id
     order by o.rank, o.created_at, o.id limit 1) next on true
 where c.active and c.drill is null and not p.is_drill
 order by c.integration, p.is_default desc, p.name, c.endpoint
"""
# Lanes of a credential that stand still for one reason are told together.
PAUSED = """
select credential_id, array_agg(class order by class desc) as classes, min(paused_at) as paused_at,
       paused_until, paused_case, paused_by
  from lane where state = 'paused' and credential_id = any ($1)
 group by credential_id, paused_until, paused_case, paused_by order by min(paused_at)
"""
_BACKLOG = f"""
select credential_id,
       count(*) filter (where status = 'held') as held,
       count(*) filter (where status = 'unknown') as unknown,
       count(*) filter (where {WAITS}) as waiting,
       count(*) filter (where {RESTS}) as resting,
       min(due_at) filter (where {WAITS}) as oldest_at, app.now() - min(due_at)
         filter (where {WAITS}) > $2 as stuck
  from delivery d
 where credential_id = any ($1) and drill is null
   and (status in ('sending', 'unknown', 'held')
        or (status in ('pending', 'due') and due_at <= app.now()))
 group by credential_id
"""
_LATER = """
select credential_id, count(*) as number from delivery
 where credential_id = any ($1) and drill is null and status in ('pending', 'due')
   and due_at > app.now()
 group by credential_id
"""
# What was tried in the last hour, or ended in it without a try, by what has become of it.
_OUTCOMES = """
with seen as (
  select ad.delivery_id as id from attempt a join attempt_delivery ad on ad.attempt_id = a.id
   where a.credential_id = any ($1) and a.drill is null
     and a.finished_at > app.now() - interval '1 hour'
  union
  select id from delivery
   where credential_id = any ($1) and drill is null and attempts <= 1
     and status in ('refused', 'bounced', 'failed') and ended_at > app.now() - interval '1 hour'
)
select d.credential_id, d.status, d.status = 'bounced' or d.last_case = any ($2) as by_recipient,
       count(*) as number
  from seen join delivery d on d.id = seen.id group by 1, 2, 3
"""
_TRIES = """
select credential_id,
       least($2 - 1, floor(extract(epoch from app.now() - finished_at) / 300))::int as age,
       count(*) filter (where state = 'succeeded') as good,
       count(*) filter (where state <> 'succeeded' and fault = 'recipient') as recipient,
       count(*) filter (where state <> 'succeeded' and fault is distinct from 'recipient') as bad
  from attempt
 where credential_id = any ($1) and drill is null and state <> 'open'
   and finished_at > app.now() - interval '1 hour'
 group by 1, 2
"""
_HEARTBEATS = """
select kind, host, pid, started_at, beat_at,
       extract(epoch from clock_timestamp() - beat_at)::float8 as silent_s
  from heartbeat where beat_at > clock_timestamp() - interval '1 hour' order by kind, started_at
"""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Messages of the last hour. `recipient` failed by nobody's fault of ours or theirs."""

    delivered: int = 0
    accepted: int = 0
    failed: int = 0
    recipient: int = 0
    unfinished: int = 0

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            self.delivered + other.delivered,
            self.accepted + other.accepted,
            self.failed + other.failed,
            self.recipient + other.recipient,
            self.unfinished + other.unfinished,
        )

    @property
    def judged(self) -> int:
        """How many say anything of the integration: the recipient's faults do not."""
        return self.delivered + self.accepted + self.failed

    @property
    def share(self) -> str | None:
        """The share that got through, rounded down; None where there are too few to say."""
        if self.judged < ENOUGH:
            return None
        through = self.delivered + self.accepted
        return f"{int(through / self.judged * 1000) / 10:g} %"


@dataclass(frozen=True, slots=True)
class Card:
    credential: Any
    state: State
    lanes: Sequence[Any]
    backlog: Any | None
    later: int
    touched: Touched
    outcomes: Outcomes
    chart: Chart


@dataclass(frozen=True, slots=True)
class Calm:
    """Credentials of one integration that need nobody, told together."""

    integration: str
    number: int
    practices: int
    outcomes: Outcomes
    last_good_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fleet:
    cards: Sequence[Card]
    calm: Sequence[Calm]
    rooms: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A credential, and what decides whether anybody must look at it."""

    credential: Any
    state: State
    lanes: Sequence[Any]
    backlog: Any | None
    outcomes: Outcomes

    @property
    def is_calm(self) -> bool:
        stuck = self.backlog is not None and self.backlog["stuck"]
        return _URGENCY[self.state.tone] == _URGENCY["ok"] and not stuck


async def read_fleet(
    connection: Connection, recipient_cases: Sequence[str], room: str | None = None
) -> Fleet:
    """A card for each credential in use, worst first: of a crowd, for each that is not calm. All of
    `room`, where it is asked for."""
    rows = await connection.fetch(_CREDENTIALS)
    seen = await _look(connection, rows, recipient_cases)
    shown = seen
    if room is not None:
        shown = [each for each in seen if each.credential["integration"] == room]
    elif len(seen) > CROWD:
        shown = [each for each in seen if not each.is_calm]
    calm = () if room is not None or shown is seen else _calm(each for each in seen if each.is_calm)
    return Fleet(
        cards=await _cards(connection, shown),
        calm=calm,
        rooms=sorted({row["integration"] for row in rows}),
    )


async def _look(
    connection: Connection, rows: Sequence[Any], recipient_cases: Sequence[str]
) -> list[_Seen]:
    ids = [row["id"] for row in rows]
    lanes = _by_credential(await connection.fetch(PAUSED, ids))
    waiting = await connection.fetch(_BACKLOG, ids, STUCK_AFTER)
    backlog = {row["credential_id"]: row for row in waiting}
    outcomes = _by_credential(await connection.fetch(_OUTCOMES, ids, list(recipient_cases)))
    return [
        _Seen(
            credential=row,
            state=_state(row, lanes[row["id"]], backlog.get(row["id"])),
            lanes=lanes[row["id"]],
            backlog=backlog.get(row["id"]),
            outcomes=_outcomes(outcomes[row["id"]]),
        )
        for row in rows
    ]


async def _cards(connection: Connection, shown: Sequence[_Seen]) -> list[Card]:
    ids = [each.credential["id"] for each in shown]
    tries = _by_credential(await connection.fetch(_TRIES, ids, BUCKETS))
    later = {row["credential_id"]: row["number"] for row in await connection.fetch(_LATER, ids)}
    touched = await read_touched(connection, ids)
    cards = [
        Card(
            credential=each.credential,
            state=each.state,
            lanes=each.lanes,
            backlog=each.backlog,
            later=later.get(each.credential["id"], 0),
            touched=touched.get(each.credential["id"], Touched()),
            outcomes=each.outcomes,
            chart=draw(_buckets(tries[each.credential["id"]])),
        )
        for each in shown
    ]
    return sorted(cards, key=lambda card: _URGENCY[card.state.tone])


def _calm(seen: Iterable[_Seen]) -> list[Calm]:
    rooms: defaultdict[str, list[_Seen]] = defaultdict(list)
    for each in seen:
        rooms[each.credential["integration"]].append(each)
    return [
        Calm(
            integration=room,
            number=len(group),
            practices=len({each.credential["practice_name"] for each in group}),
            outcomes=sum((each.outcomes for each in group), Outcomes()),
            last_good_at=max(
                (at for each in group if (at := each.credential["last_good_at"])), default=None
            ),
        )
        for room, group in sorted(rooms.items())
    ]


async def read_heartbeats(connection: Connection) -> list[Any]:
    """Processes heard of in the last hour; `silent_s` tells the living from the dead."""
    return list(await connection.fetch(_HEARTBEATS))


_URGENCY = {"bad": 0, "warn": 1, "info": 2, "ok": 3, "idle": 3}


def _state(credential: Any, lanes: Sequence[Any], backlog: Any | None) -> State:
    if credential["override_state"]:
        word = {"open": "Stopped by hand", "closed": "Forced open"}[credential["override_state"]]
        return State(word, "warn", credential["override_reason"] or "no reason was given")
    if lanes:
        return State("Paused", "bad", "nothing is sent until the cause is gone; nothing is lost")
    match credential["breaker"]:
        case "open":
            return State("Breaker open", "bad", "the provider keeps failing; nothing is sent")
        case "half_open":
            return State("Probing", "warn", "one message is being tried; its outcome decides")
    if (credential["recent"] or "").endswith("FF"):
        return State("Failing", "warn", "the last tries failed by the provider’s fault")
    if backlog and (backlog["held"] or backlog["unknown"]):
        return State("Needs a look", "warn", "messages are held or their outcome is unknown")
    if credential["last_good_at"] is None:
        return State("No call yet", "idle", "no call has succeeded so far")
    return State("Working", "ok", "the last calls were answered")


def _by_credential(rows: Iterable[Any]) -> defaultdict[UUID, list[Any]]:
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["credential_id"]].append(row)
    return found


def _outcomes(rows: Iterable[Any]) -> Outcomes:
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[_outcome(row["status"], row["by_recipient"])] += row["number"]
    return Outcomes(**counts)


def _outcome(status: str, by_recipient: bool | None) -> str:
    if status in ("delivered", "accepted"):
        return status
    if status in ("bounced", "refused", "failed", "expired"):
        return "recipient" if by_recipient else "failed"
    return "unfinished"


def _buckets(rows: Iterable[Any]) -> list[Bucket]:
    """Oldest first; `age` counts five-minute steps back from now."""
    buckets = [Bucket(0, 0, 0)] * BUCKETS
    for row in rows:
        place = BUCKETS - 1 - max(row["age"], 0)
        buckets[place] = Bucket(row["good"], row["recipient"], row["bad"])
    return buckets


def is_alive(heartbeat: Any) -> bool:
    return bool(heartbeat["silent_s"] < 10)


async def last_drills(connection: Connection) -> dict[str, Any]:
    """The latest finished run of each drill, by its id."""
    rows = await connection.fetch(
        "select distinct on (drill) id, drill, passed, started_at, finished_at, seconds, actor"
        " from drill_run order by drill, started_at desc"
    )
    return {row["drill"]: row for row in rows}


def drills_of(room: str, latest: dict[str, Any]) -> tuple[datetime | None, int]:
    """When a drill of the room last passed, and how many failed when they last ran."""
    runs = [run for drill, run in latest.items() if drill.partition("/")[0] == room]
    passed = [run["finished_at"] for run in runs if run["passed"] and run["finished_at"]]
    failed = sum(1 for run in runs if run["passed"] is False)
    return max(passed, default=None), failed
