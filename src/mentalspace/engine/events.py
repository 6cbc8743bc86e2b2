"""Applies what a provider says of a delivery, whether it told us or we asked; where the runbook has
a case for it, the case's steps run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.correlation import following
from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.log import get_logger
from mentalspace.engine.steps import Action, StepContext
from mentalspace.kernel.case import ErrorCase, classify
from mentalspace.kernel.delivery import Status, may_move
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.event import Event

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reactor:
    """What the runbook says of an event's trouble, and the actions that its steps name."""

    cases: Callable[[str, str], tuple[ErrorCase, ...]]
    actions: Mapping[str, Action]

    def case_of(self, integration: str, provider: str, event: Event) -> ErrorCase | None:
        """None for an event that is no trouble, or that no case speaks of."""
        if event.trouble is None:
            return None
        case = classify(self.cases(integration, provider), _evidence(event))
        return case if case.match else None


_OURS = """
select d.id, d.traceparent, d.status, d.integration, d.lane_id, d.client_id, d.subject_id, d.drill,
       c.provider
  from delivery d join credential c on c.id = d.credential_id
 where d.credential_id = $1 and d.provider_message_id = $2 for update of d
"""
# The answer to its attempt was lost, but the address that the event was sent to names it.
_BY_REFERENCE = """
update delivery set provider_message_id = $3
 where credential_id = $1 and status in ('unknown', 'held') and provider_message_id is null
   and left(encode(sha256(convert_to(idempotency_key, 'UTF8')), 'hex'), 32) = $2
"""


async def apply_event(
    connection: Connection,
    practice_id: UUID,
    credential_id: UUID,
    event: Event,
    drill: str | None,
    reactor: Reactor,
    *,
    heard: Literal["webhook", "asked"] = "webhook",
    request_id: str | None = None,
) -> bool:
    """Move the delivery forward if the event does; False if it names no message of ours yet.
    `request_id` is that of the webhook which brought it."""
    status = event.status
    row = await connection.fetchrow(_OURS, credential_id, event.provider_message_id)
    if row is None and event.reference is not None:
        # Whatever it says, the provider has it: with its id known and its outcome still unknown,
        # a later event could end it while a worker asks for it.
        status = status or Status.ACCEPTED
        await connection.execute(
            _BY_REFERENCE, credential_id, event.reference, event.provider_message_id
        )
        row = await connection.fetchrow(_OURS, credential_id, event.provider_message_id)
    if row is None:
        return False
    case = reactor.case_of(row["integration"], row["provider"], event)
    moved_to = status if status and may_move(Status(row["status"]), status) else None
    if moved_to is not None or case is not None:
        await connection.execute(
            "update delivery set status = $2, last_case = coalesce($3, last_case) where id = $1",
            row["id"],
            moved_to.value if moved_to else row["status"],
            case.id if case else None,
        )
    await record(
        connection,
        "provider_event",
        practice_id=practice_id,
        delivery_id=row["id"],
        data={
            "event": event.kind,
            "code": event.code,
            "moved_to": moved_to.value if moved_to else None,
            "heard": heard,
            **({"occurred_at": event.dated_at.isoformat()} if event.dated_at else {}),
            **({"case": case.id} if case else {}),
            **({"request_id": request_id} if request_id else {}),
        },
        actor="provider",
        drill=row["drill"] or drill,
    )
    if moved_to is None and case is None:
        return True  # the timeline has it; no line for what changes nothing
    with following(row["traceparent"], request_id):
        log.info(
            "delivery_event",
            delivery_id=row["id"],
            practice_id=practice_id,
            integration=row["integration"],
            provider=row["provider"],
            kind=event.kind,
            code=event.code,
            status=moved_to.value if moved_to else row["status"],
            case=case.id if case else None,
            drill=row["drill"],
        )
        if case is not None:
            await _react(connection, practice_id, credential_id, row, event, case, reactor)
    return True


async def _react(
    connection: Connection,
    practice_id: UUID,
    credential_id: UUID,
    row: Any,
    event: Event,
    case: ErrorCase,
    reactor: Reactor,
) -> None:
    for step in case.steps:
        context = StepContext(
            connection=connection,
            practice_id=practice_id,
            delivery_id=row["id"],
            client_id=row["client_id"],
            subject_id=row["subject_id"],
            lane_id=row["lane_id"],
            credential_id=credential_id,
            case=case,
            evidence=_evidence(event),
            params=step.params,
            drill=row["drill"],
        )
        await reactor.actions[step.do](context)


def _evidence(event: Event) -> Evidence:
    return Evidence("event", code=event.trouble)
