"""Does what a person has decided about an incident, once, and writes down who and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine import replay
from mentalspace.engine.db import Connection
from mentalspace.engine.decisions import resume_lanes
from mentalspace.engine.ledger import record
from mentalspace.engine.remedy.preflight import MOST_MINUTES, Name, Title, preflight
from mentalspace.engine.remedy.standing import Standing, read_credential, read_standing
from mentalspace.engine.replay import MOST_AT_ONCE
from mentalspace.kernel.errors import Refused

LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Order:
    """`minutes` is None for what does not end by itself."""

    who: str
    reason: str
    minutes: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """`count` of lanes or messages; `replay` is the id of a replay, to be followed."""

    name: Name
    count: int
    replay: str | None = None


_PAUSE = """
with paused as (
  update lane set state = 'paused', paused_at = app.now(), paused_by = $2, paused_case = null,
         paused_for_phi = false, paused_until = app.now() + $3 * interval '1 min'
   where credential_id = $1 and state = 'open' returning 1)
select count(*) from paused
"""
_HOLD = """
with chosen as (
  select id from delivery
   where credential_id = $1 and drill is not distinct from $2 and status in ('pending', 'due')
     and due_at <= app.now() and coalesce(expires_at > app.now(), true)
   order by due_at limit $3 for update skip locked
), moved as (
  update delivery d set status = 'held', held_reason = $4 from chosen where d.id = chosen.id
  returning d.id, d.practice_id, d.lane_id, d.drill
), said as (
  insert into timeline (practice_id, delivery_id, lane_id, kind, data, actor, drill)
  select practice_id, id, lane_id, 'held', jsonb_build_object('reason', $4::text), $5, drill
    from moved
)
select count(*) from moved
"""
_OVERRIDE = """
update credential_state set override_state = $2, override_reason = $3, override_by = $4,
       override_moves = $5, override_until = app.now() + $6 * interval '1 min'
 where credential_id = $1
"""
_AUTOMATIC = """
update credential_state set override_state = null, override_reason = null, override_by = null,
       override_moves = false, override_until = null
 where credential_id = $1
"""


async def act(
    connection: Connection, incident_id: UUID, name: Name, order: Order, title: Title = str
) -> Done:
    """As on-call, in the caller's transaction. `title` writes a provider's name in a refusal.

    Raises Refused, with words for whoever pressed, if there is no such incident, the order says
    too little, or what the preflight promised is gone; then nothing has changed.
    """
    # Two who press at once come one after the other, and the second is told that it is done.
    await connection.execute("select from incident where id = $1 for update", incident_id)
    return await _do(connection, await read_standing(connection, incident_id), name, order, title)


async def act_on_credential(
    connection: Connection, credential_id: UUID, name: Name, order: Order, title: Title = str
) -> Done:
    """The same without an incident: what is known and planned needs none. Raises Refused."""
    await connection.execute(
        "select from credential_state where credential_id = $1 for update", credential_id
    )
    return await _do(
        connection, await read_credential(connection, credential_id), name, order, title
    )


async def _do(
    connection: Connection, standing: Standing | None, name: Name, order: Order, title: Title
) -> Done:
    if standing is None:
        raise Refused("nothing_to_act_on", "no credential is behind it")
    looked = preflight(name, standing, title, None)
    if looked.refusal is not None:
        raise Refused("not_now", looked.refusal)
    order = _complete(order, looked.needs_reason, looked.needs_expiry)
    done = await _DOES[name](connection, standing, order)
    await record(
        connection,
        "acted",
        practice_id=standing.practice_id,
        incident_id=standing.incident_id,
        lane_id=await _lane_of(connection, standing),
        data={
            "act": name,
            "title": looked.title,
            "count": done.count,
            "reason": order.reason,
            "minutes": order.minutes,
            "replay": done.replay,
        },
        actor=order.who,
        drill=standing.drill,
    )
    return done


async def _lane_of(connection: Connection, standing: Standing) -> UUID | None:
    """Without an incident the line stands with the credential's first lane."""
    if standing.incident_id is not None:
        return None
    lane_id: UUID | None = await connection.fetchval(
        "select id from lane where credential_id = $1 order by class desc limit 1",
        standing.credential_id,
    )
    return lane_id


def _complete(order: Order, needs_reason: bool, needs_expiry: bool) -> Order:
    reason = reason_of(order.reason, needed=needs_reason)
    if not needs_expiry:
        return Order(order.who, reason, None)
    if order.minutes is None or not 1 <= order.minutes <= MOST_MINUTES:
        raise Refused("expiry_missing", f"say when it ends: 1 to {MOST_MINUTES} minutes from now")
    return Order(order.who, reason, order.minutes)


def reason_of(text: str, *, needed: bool) -> str:
    """What a person gave, in one line. Raises Refused."""
    reason = " ".join(text.split())
    if needed and not reason:
        raise Refused("reason_missing", "say why, in a few words that name no client")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Refused("reason_unusable", f"write it in one line of {LONGEST_REASON} letters")
    return reason


async def _pause(connection: Connection, standing: Standing, order: Order) -> Done:
    count = await connection.fetchval(_PAUSE, standing.credential_id, order.who, order.minutes)
    return Done("pause", count)


async def _resume(connection: Connection, standing: Standing, order: Order) -> Done:
    return Done("resume", await resume_lanes(connection, standing.credential_id, order.who))


async def _hold(connection: Connection, standing: Standing, order: Order) -> Done:
    reason = f"{order.who} holds it: {order.reason}"
    count = await connection.fetchval(
        _HOLD, standing.credential_id, standing.drill, MOST_AT_ONCE, reason, order.who
    )
    return Done("hold", count)


async def _replay(connection: Connection, standing: Standing, order: Order) -> Done:
    replay_id, count = await replay.replay(
        connection, order.who, credential_id=standing.credential_id
    )
    return Done("replay", count, replay_id)


def _override(name: Name, state: str, *, moves: bool = False) -> _Does:
    async def does(connection: Connection, standing: Standing, order: Order) -> Done:
        await connection.execute(
            _OVERRIDE,
            standing.credential_id,
            state,
            order.reason,
            order.who,
            moves,
            order.minutes,
        )
        return Done(name, standing.movable if moves else standing.waiting)

    return does


async def _automatic(connection: Connection, standing: Standing, _order: Order) -> Done:
    await connection.execute(_AUTOMATIC, standing.credential_id)
    return Done("automatic", standing.waiting)


_Does = Callable[[Connection, Standing, Order], Awaitable[Done]]
_DOES: Mapping[Name, _Does] = {
    "pause": _pause,
    "resume": _resume,
    "hold": _hold,
    "replay": _replay,
    "switch": _override("switch", "open", moves=True),
    "stop_trying": _override("stop_trying", "open"),
    "try_anyway": _override("try_anyway", "closed"),
    "automatic": _automatic,
}
