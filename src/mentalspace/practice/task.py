"""Tasks for people: what the runbook asks somebody to look at."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.steps import StepContext

# What is wrong with a client's address is one task, whatever showed it.
ADDRESS = "address"
# So is what is wrong with their number.
PHONE = "phone"
# What somebody texted, for a person to read and answer.
ANSWER = "answer"

_OPEN = """
insert into task (practice_id, for_role, text, case_id, delivery_id, client_id, drill, topic)
select $1, $2, $3, $4, $5, $6, $7, $8
 where $6::uuid is null or not exists (
   select from task where client_id = $6 and topic = $8 and state = 'open'
      and drill is not distinct from $7)
on conflict do nothing returning id
"""
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
_ADD = """
update task set text = text || ' ' || $4
 where client_id = $1 and topic = $2 and state = 'open' and drill is not distinct from $3
   and position($4 in text) = 0
"""
_ASK = """
insert into task (practice_id, for_role, text, client_id, drill, topic, thread_key)
values ($1, 'front_desk', $2, $3, $4, $5, $6)
on conflict do nothing returning id
"""
_CLOSE = """
update task set state = 'done', done_at = app.now(), done_by = app.user_id()
 where client_id = $1 and topic = $2 and state = 'open'
"""
_CLOSE_ANSWERED = """
update task set state = 'done', done_at = app.now(), done_by = app.user_id()
 where state = 'open' and topic = $3
   and (thread_key = $1 and client_id is not distinct from $2 or client_id = $2)
"""


async def open_task(context: StepContext) -> None:
    """Ask a role of the practice to do something: once for each delivery and case, and once for
    each client and `topic` (the case, if none is named) while the task is open."""
    await ask_role(context, context.params, context.params["text"])


async def ask_role(context: StepContext, params: Mapping[str, str], text: str) -> bool:
    """The same with another text; False if it was asked for already. Two that meet here at once,
    a client's mail and text say, wait for each other."""
    topic, role = params.get("topic", context.case.id), params.get("for", "front_desk")
    if context.client_id is not None:
        await context.connection.execute(_ONE_AT_A_TIME, f"task/{context.client_id}/{topic}")
    opened = await context.connection.fetchval(
        _OPEN,
        context.practice_id,
        role,
        text,
        context.case.id,
        context.delivery_id,
        context.client_id,
        context.drill,
        topic,
    )
    if opened is not None:
        await record(
            context.connection,
            "task_opened",
            practice_id=context.practice_id,
            delivery_id=context.delivery_id,
            data={"for": role, "case": context.case.id},
            drill=context.drill,
        )
    return opened is not None


async def add_to_task(context: StepContext, topic: str, sentence: str) -> None:
    """Say something more in the client's open task of that topic, once."""
    await context.connection.execute(_ADD, context.client_id, topic, context.drill, sentence)


async def ask_to_answer(
    connection: Connection,
    practice_id: UUID,
    thread_key: str,
    text: str,
    *,
    client_id: UUID | None,
    drill: str | None = None,
) -> bool:
    """Ask the front desk to answer a conversation; False while it is asked to already."""
    opened = await connection.fetchval(
        _ASK, practice_id, text, client_id, drill, ANSWER, thread_key
    )
    return opened is not None


async def ask_front_desk(
    connection: Connection, practice_id: UUID, text: str, topic: str, *, client_id: UUID | None
) -> None:
    """Ask the front desk to look at something that no delivery is about."""
    await connection.execute(
        _OPEN, practice_id, "front_desk", text, None, None, client_id, None, topic
    )


async def close_answered(connection: Connection, thread_key: str, client_id: UUID | None) -> None:
    """Somebody has answered the conversation."""
    await connection.execute(_CLOSE_ANSWERED, thread_key, client_id, ANSWER)


async def close_tasks(connection: Connection, client_id: UUID, topic: str) -> None:
    """What was asked for has come about by itself: a new address, say."""
    await connection.execute(_CLOSE, client_id, topic)
