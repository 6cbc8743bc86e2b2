"""Rules on a provider that takes messages and says late, or not, what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from mentalspace.engine.called_back import CalledBack, read_called_back
from mentalspace.engine.db import Connection
from mentalspace.engine.heard import FEWEST
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.look import Look, Subject, ids, nothing

# Only for who was called back before, or tries to; of all others nothing is read. What is younger
# than the window may still be spoken of; where callbacks are refused a minute is enough.
_SILENT = """
select c.id as credential_id, heard.at as heard_at, n.taken, n.since,
       coalesce(r.refused, 0) as refused, r.code, r.since as refused_since, n.unheard
  from credential c
  left join lateral (
    select i.received_at as at from inbox i where i.credential_id = c.id
     order by i.received_at desc limit 1) heard on true
  left join hook_refusal r on r.credential_id = c.id
   and r.last_at > coalesce(heard.at, '-infinity')
 cross join lateral (
    select count(*) filter (where d.accepted_at <= app.now() - $2 * interval '1 s') as taken,
           min(d.accepted_at) as since, count(*) as unheard from delivery d
     where (heard.at is not null or r.refused is not null)
       and d.credential_id = c.id and d.accepted_at is not null
       and coalesce(d.accepted_at, d.ended_at)
           > greatest(heard.at, app.now() - interval '7 days')
       and coalesce(d.accepted_at, d.ended_at)
           <= app.now() - case when r.refused is null then $2 else least($2, $3) end
                          * interval '1 s') n
 where c.id = any ($1) and c.follows
"""
# Refusals alone are nobody's news, for anybody may write to the door; with messages that nothing
# is heard of they are.
_REFUSED_AFTER_S = 60.0
# Callbacks that come later than this are news: of messages they make late ones.
_NEWS_AFTER_S = 120.0
_SIGNED_OTHERWISE = (
    "Compare the secret that signs callbacks with the provider's, and enter it anew on the"
    " credential's page; it says which one"
)


async def look_at_callbacks(
    connection: Connection, _room: RoomRunbook, rule: AlertRule, subjects: Sequence[Subject]
) -> Mapping[UUID, Look]:
    rows = await connection.fetch(_SILENT, ids(subjects), rule.window_s, _REFUSED_AFTER_S)
    looks = {each: nothing("its provider never calls back") for each in ids(subjects)}
    called_back = await read_called_back(connection, ids(subjects))
    return looks | {
        row["credential_id"]: _look(rule, row, called_back.get(row["credential_id"]))
        for row in rows
    }


def _look(rule: AlertRule, row: Any, called_back: CalledBack | None) -> Look:
    if row["heard_at"] is None and not row["refused"]:
        return nothing("no callback has come yet")
    taken, most = row["taken"], FEWEST if rule.threshold is None else rule.threshold
    facts = {"taken": taken, "heard_at": row["heard_at"].isoformat() if row["heard_at"] else None}
    if min(row["refused"], row["unheard"]) >= most:
        return Look(
            value=float(row["unheard"]),
            fires=True,
            seen=f"{row['refused']} callbacks refused since {row['refused_since']:%H:%M} UTC"
            f" ({row['code']}), none taken; {row['unheard']} messages taken meanwhile",
            since=row["refused_since"],
            fault="ours",
            facts={**facts, "refused": row["refused"], "code": row["code"]},
            first_step=_SIGNED_OTHERWISE if row["code"] == "signature" else None,
        )
    silent = Look(
        value=float(taken),
        fires=taken >= most,
        seen=f"{taken} taken since the last callback, over {rule.window_s / 60:g} min ago",
        since=row["since"],
        fault=rule.fault.value if rule.fault else "unclear",
        facts=facts,
    )
    return silent if called_back is None else _told(silent, called_back, most)


def _told(silent: Look, called_back: CalledBack, most: float) -> Look:
    """What was asked for says more than silence, and sooner. A little late is no news."""
    number = called_back.number
    out_of_time = called_back.kind == "missing" or called_back.late_s >= _NEWS_AFTER_S
    fires = out_of_time and number >= most
    return replace(
        silent,
        value=max(silent.value or 0.0, float(number)) if fires else silent.value,
        fires=silent.fires or fires,
        seen=called_back.words if fires else f"{silent.seen}. {called_back.words}",
        since=(called_back.since if fires else None) or silent.since,
        fault="theirs" if called_back.kind in ("late", "slow") else silent.fault,
        facts={**silent.facts, "callbacks": called_back.kind},
        first_step=called_back.advice,
    )
