"""Reads what there is to tell, one stretch of the timeline after the other, and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.trace.request import span_of_request
from mentalspace.engine.trace.span import Span, is_sampled
from mentalspace.engine.trace.story import Story, spans_of

HELD_FOR_S = 60.0
_LINES = 500
_REQUESTS = 500

_TAKE_TURN = """
update trace_state set holder = $1, held_until = clock_timestamp() + $2 * interval '1 s'
 where holder = $1 or held_until < clock_timestamp()
returning read_id, pending_id, failing_since,
          pending_xmax <= pg_snapshot_xmin(pg_current_snapshot()) as settled
"""
# The moment is asked for after the last line was: who wrote any up to it began before.
_LAST = "select coalesce(max(id), 0) from timeline"
_LOOK_UP_TO = """
update trace_state set read_id = coalesce(read_id, $2), pending_id = $2,
       pending_xmax = pg_snapshot_xmax(pg_current_snapshot())
 where holder = $1
"""
_NEXT = """
select id, delivery_id from timeline where id > $1 and id <= $2 order by id limit $3
"""
_DELIVERIES = """
select d.id, d.integration, d.kind, d.traceparent, d.drill, d.created_at, d.ended_at, c.provider
  from delivery d join credential c on c.id = d.credential_id where d.id = any ($1)
"""
_STORY = """
select delivery_id, id, at, kind, data, attempt_id from timeline
 where delivery_id = any ($1) order by delivery_id, id
"""
# `leads` is the member of a batch that tells of the whole request.
_ATTEMPTS = """
select ad.delivery_id, a.id, a.purpose, a.state, a.started_at, a.finished_at, a.evidence_kind,
       a.http, a.code, a.request_id, a.case_id, a.case_version, a.disposition, a.fault,
       a.traceparent, a.drill, a.size,
       ad.delivery_id = (select other.delivery_id from attempt_delivery other
                          where other.attempt_id = a.id order by other.delivery_id limit 1) as leads
  from attempt a join attempt_delivery ad on ad.attempt_id = a.id
 where ad.delivery_id = any ($1) order by a.started_at, a.id
"""
_HOOKS = "select request_id, received_at, traceparent from inbox where request_id = any ($1)"
_REQUESTS_WAITING = """
select id, traceparent, parent_id, request_id, method, route, http, began_at,
       began_at + took_ms * interval '1 ms' as ended_at
  from trace_request order by id limit $1
"""
_TOLD = """
update trace_state set read_id = $2, sent_at = clock_timestamp(), spans = spans + $3,
       failing_since = null, failure = null
 where holder = $1
"""
_FAILED = """
update trace_state set failure = $2, failing_since = coalesce(failing_since, clock_timestamp())
 where holder = $1
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be sent next, and how far that goes. `more` says whether more waits behind it."""

    spans: Sequence[Span]
    read_id: int
    requests: Sequence[int]
    was_failing: bool
    more: bool


async def next_stretch(connection: Connection, holder: str) -> Stretch | None:
    """None if it is another worker's turn, or if nothing was written yet that could be told."""
    state = await connection.fetchrow(_TAKE_TURN, holder, HELD_FOR_S)
    if state is None:
        return None
    read_id, lines = state["read_id"], []
    if read_id is None:  # what was before the first turn is not told of
        read_id = await _look(connection, holder)
    elif state["settled"] and read_id >= state["pending_id"]:
        await _look(connection, holder)
    elif state["settled"]:
        lines = await connection.fetch(_NEXT, read_id, state["pending_id"], _LINES)
    requests = await connection.fetch(_REQUESTS_WAITING, _REQUESTS)
    spans = [span_of_request(row) for row in requests if is_sampled(row["traceparent"])]
    if lines:
        until = lines[-1]["id"]
        touched = {line["delivery_id"] for line in lines if line["delivery_id"]}
        for story in await read_stories(connection, list(touched)):
            if is_sampled(story.delivery["traceparent"]):
                spans += [s for s in spans_of(story) if read_id < s.settled_by <= until]
        read_id = until
    if not lines and not requests:
        return None
    more = len(lines) == _LINES or len(requests) == _REQUESTS
    ids = [row["id"] for row in requests]
    return Stretch(spans, read_id, ids, state["failing_since"] is not None, more)


async def read_stories(
    connection: Connection, delivery_ids: Sequence[UUID], *, with_hooks: bool = True
) -> list[Story]:
    """Without the webhooks where whoever asks may not see them: news came when it was applied."""
    deliveries = await connection.fetch(_DELIVERIES, delivery_ids)
    lines = _by_delivery(await connection.fetch(_STORY, delivery_ids))
    attempts = _by_delivery(await connection.fetch(_ATTEMPTS, delivery_ids))
    named = {
        line["data"]["request_id"]
        for each in lines.values()
        for line in each
        if line["kind"] == "provider_event" and "request_id" in line["data"]
    }
    hooks = await connection.fetch(_HOOKS, list(named)) if with_hooks and named else []
    by_request = {hook["request_id"]: hook for hook in hooks}
    return [
        Story(each, lines.get(each["id"], []), attempts.get(each["id"], []), by_request)
        for each in deliveries
    ]


async def _look(connection: Connection, holder: str) -> int:
    """How far the timeline goes now; it is read up to there once that has settled."""
    last: int = await connection.fetchval(_LAST)
    await connection.execute(_LOOK_UP_TO, holder, last)
    return last


async def note_told(connection: Connection, holder: str, stretch: Stretch) -> None:
    """It is with the collector: never again."""
    await connection.execute(_TOLD, holder, stretch.read_id, len(stretch.spans))
    await connection.execute("delete from trace_request where id = any ($1)", stretch.requests)


async def note_failure(connection: Connection, holder: str, failure: str) -> None:
    await connection.execute(_FAILED, holder, failure)


def _by_delivery(rows: Sequence[Any]) -> Mapping[UUID, Sequence[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row["delivery_id"], []).append(row)
    return found
