"""Late callbacks, missing ones, or messages that are slow: what their own dates and the provider's
answers say (engine/overdue.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.pulse import heartbeat_locks

# Of fewer each may have a reason of its own.
FEWEST = 3
# A callback that comes so long after what it tells is late: see the index inbox_late.
_LATE_S = 60.0
# What its provider has ended for so long, without a callback, is missing, so far.
MISSING_AFTER_S = 480.0
_SPAN = "interval '1 hour'"
_ASKED = 50

# Since the last late one, what ended so soon after it was taken was heard of in time: no question
# of ours is as quick. An end that no date is told of was at the latest when we asked. What was to
# be told before any living process of ours began ($2), or while our door refused it, is told late
# by our own fault. A drill's past is made up.
_READ = f"""
select c.id as credential_id, c.provider, dated.late_s, dated.since, dated.last_at, asked.*,
       heard.at as heard_at, app.now() as now,
       (select count(*) from (
          select from delivery d
           where d.credential_id = c.id and d.status <> 'accepted' and d.accepted_at is not null
             and d.ended_at > greatest(dated.last_at, asked.came_last_at)
             and d.ended_at < d.accepted_at + {_LATE_S} * interval '1 s' limit {FEWEST}) prompt
       ) as prompt
  from credential c
 cross join lateral (
    select coalesce(case when c.drill is null then greatest($2::timestamptz, (
             select r.last_at from hook_refusal r
              where r.credential_id = c.id and r.refused >= {FEWEST})) end, '-infinity') as at) here
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on true
 cross join lateral (
    select array_agg(extract(epoch from received_at - dated_at)::float8) as late_s,
           min(received_at) as since, max(received_at) as last_at
      from (select i.received_at, i.dated_at from inbox i
             where i.credential_id = c.id and i.received_at > app.now() - {_SPAN}
               and i.dated_at > here.at and i.received_at - i.dated_at > interval '{_LATE_S} s'
             order by i.received_at desc limit {_ASKED}) late) dated
 cross join lateral (
    select count(*) filter (where q.answer is not null) as asked,
           count(*) filter (where q.answer = 'on_its_way' and q.status = 'accepted') as on_its_way,
           count(*) filter (where q.answer = 'none') as unanswered,
           array_agg(extract(epoch from q.came_at - q.ended_at)::float8)
             filter (where q.is_late) as came_late_s,
           min(q.came_at) filter (where q.is_late) as came_since,
           max(q.came_at) filter (where q.is_late) as came_last_at,
           array_agg(q.ended_at) filter (
             where q.answer = 'ended' and q.came_at is null
               and q.ended_at > greatest(heard.at, here.at)) as open_since
      from (select o.*, o.answer = 'ended' and o.ended_at > here.at
                       and o.came_at > o.ended_at + {_LATE_S} * interval '1 s' as is_late
              from (select o.answer, d.status, coalesce(o.ended_at, o.asked_at) as ended_at, (
                             select min(t.at) from timeline t
                              where t.delivery_id = o.delivery_id and t.kind = 'provider_event'
                                and t.data ->> 'heard' = 'webhook' and t.at >= o.asked_at
                           ) as came_at
                      from callback_question o join delivery d on d.id = o.delivery_id
                     where o.credential_id = c.id and o.asked_at > app.now() - {_SPAN}
                     order by o.asked_at desc limit {_ASKED}) o) q) asked
 where c.id = any ($1) or $1::uuid[] is null and c.active and c.drill is null
"""
# A question of its own: who has the heartbeats locked holds up nothing else.
_BEGAN = """
select min(started_at) from heartbeat
 where kind = 'worker' and beat_at > clock_timestamp() - interval '1 min'
"""
Kind = Literal["late", "missing", "slow", "unasked"]


@dataclass(frozen=True, slots=True)
class CalledBack:
    """What holds for `number` messages since `since`. Late ones are so by `late_s`, half of them
    by less. How many there are of what is told by engine/taken.py: these are some of them."""

    kind: Kind
    number: int
    since: datetime | None
    late_s: float = 0.0

    @property
    def is_out_of_time(self) -> bool:
        """The provider had something to call back about, and it was not heard in time."""
        return self.kind in ("late", "missing")

    @property
    def word(self) -> str:
        match self.kind:
            case "late":
                return f"Callbacks late by {_minutes(self.late_s)}"
            case "missing":
                return f"Callbacks missing since {self.since:%H:%M} UTC"
            case "slow":
                return "Messages on their way"
            case "unasked":
                return "No callbacks"

    @property
    def words(self) -> str:
        """Sentences, the last without its full stop."""
        match self.kind:
            case "late":
                return (
                    f"callbacks are late, not lost: those that came since {self.since:%H:%M} UTC"
                    f" came about {_minutes(self.late_s)} after what they tell. What is overdue is"
                    " asked after meanwhile, and the answer taken as the callback would be"
                )
            case "missing":
                return (
                    f"callbacks are missing since {self.since:%H:%M} UTC: the provider answers that"
                    f" it has done with messages, with some over {_minutes(MISSING_AFTER_S)} ago,"
                    " and has called back about none of them. Its answers were taken as callbacks"
                    " would be; should some still come, this says how late"
                )
            case "slow":
                return (
                    "the messages are slow, not the callbacks: most of those asked after are still"
                    " on their way at the provider, and there is nothing to call back about yet"
                )
            case "unasked":
                return (
                    "late or missing cannot be told: the provider did not say what became of most"
                    " messages that were asked after"
                )

    @property
    def advice(self) -> str | None:
        match self.kind:
            case "late":
                return (
                    "Wait: late callbacks lose nothing. Where it lasts, ask the provider why they"
                    " are late"
                )
            case "missing":
                return (
                    "Check the webhook’s address and secret at the provider, and the tunnel or"
                    " proxy before our door; then have the provider replay what it could not"
                    " deliver. Send nothing again: states are taken from its answers"
                )
            case "slow":
                return "Wait, or look at the provider’s status page: the messages are with it"
            case "unasked":
                return None


async def read_called_back(
    connection: Connection, credential_ids: Sequence[UUID] | None = None
) -> Mapping[UUID, CalledBack]:
    """By credential, where there is something to say; of all in use if none are given. As on-call
    or as the dispatcher."""
    ids = None if credential_ids is None else list(credential_ids)
    rows = await connection.fetch(_READ, ids, await began_at(connection))
    found = {row["credential_id"]: judge(row) for row in rows}
    return {id_: said for id_, said in found.items() if said is not None}


async def began_at(connection: Connection) -> datetime | None:
    """Since when one of our processes lives; None where nobody can know."""
    if await heartbeat_locks(connection):
        return None
    began: datetime | None = await connection.fetchval(_BEGAN)
    return began


def judge(row: Any) -> CalledBack | None:
    """What came late before what is missing: who is heard of late is heard of."""
    asked = row["asked"]
    dated, came = row["late_s"] or [], row["came_late_s"] or []
    late_s, since = (dated, row["since"]) if len(dated) >= FEWEST else (came, row["came_since"])
    missing = [at for at in row["open_since"] or [] if _is_old(at, row["now"])]
    if len(missing) >= FEWEST:
        return CalledBack("missing", len(missing), min(missing))
    if len(late_s) >= FEWEST and row["prompt"] < FEWEST:
        return CalledBack("late", len(late_s), since, median(late_s))
    if row["on_its_way"] >= max(FEWEST, asked / 2):
        return CalledBack("slow", row["on_its_way"], None)
    if row["unanswered"] >= max(FEWEST, asked / 2):
        return CalledBack("unasked", row["unanswered"], None)
    return None


def _is_old(at: datetime, now: datetime) -> bool:
    return (now - at).total_seconds() >= MISSING_AFTER_S


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
