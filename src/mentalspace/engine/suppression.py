"""Whom an integration writes to no more: by the runbook's word, the provider's list, or a person's.

A recipient stands here by the keyed hash that deliveries count people by, never by name or address.
What waits for one who is suppressed is refused by the lane at once, while there is time to tell the
client in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.steps import Action, StepContext
from mentalspace.kernel.case import ErrorCase
from mentalspace.kernel.errors import Evidence

# How somebody's wish, or the end of an address, was heard. "check" is our own look at it.
How = Literal["provider", "webhook", "check", "keyword", "free_text", "staff", "client_page"]

# They said so themselves: only they can take it back.
OPTED_OUT = "opted_out"
_SUPERSEDED = "superseded"

# The evidence's code, and the name of each room's case for it.
SUPPRESSED = "suppressed"
BY_THE_PROVIDER = "provider's list"

_SUPPRESS = """
insert into suppression (practice_id, integration, recipient_key, client_id, delivery_id, case_id,
                         reason, drill, how, actor, evidence, note)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (practice_id, integration, recipient_key, coalesce(drill, ''))
  where lifted_at is null do nothing
returning id
"""
# What waits for them meets the lane now: it refuses each, and the case's steps run.
_HURRY = """
update delivery set next_attempt_at = app.now()
 where practice_id = $1 and integration = $2 and recipient_key = $3 and status = 'pending'
   and ($4::text is null or drill = $4)
"""
# That somebody wants no more outranks whatever stood for another reason.
_OUTRANK = """
update suppression set lifted_at = app.now(), lifted_by = 'system', lifted_how = $5
 where practice_id = $1 and integration = $2 and recipient_key = $3
   and drill is not distinct from $4 and lifted_at is null and reason <> $6
"""
_LIFT = """
update suppression set lifted_at = app.now(), lifted_by = $2, lifted_how = $3, lifted_evidence = $4
 where id = $1 and lifted_at is null returning practice_id, delivery_id, drill
"""


def refuse_suppressed(reason: str | None, cases: Iterable[ErrorCase]) -> Evidence | None:
    """What the lane asks before each attempt. Where a case of the room speaks of that very reason,
    it is that case's: what ended the number is told, and asked for, once."""
    if reason is None:
        return None
    named = any(
        "refused_locally" in match.kind and reason in match.code
        for case in cases
        for match in case.match
    )
    return Evidence("refused_locally", code=reason if named else SUPPRESSED)


async def suppress_step(context: StepContext) -> None:
    """Write to this delivery's recipient no more, for `reason`; what waits for them is refused."""
    row = await context.connection.fetchrow(
        "select integration, recipient_key from delivery where id = $1", context.delivery_id
    )
    assert row is not None
    await suppress(
        context.connection,
        context.practice_id,
        row["integration"],
        row["recipient_key"],
        reason=context.params.get("reason", context.case.id),
        client_id=context.client_id,
        delivery_id=context.delivery_id,
        case_id=context.case.id,
        drill=context.drill,
        how=_HEARD.get(context.evidence.kind, "provider"),
    )


async def list_recipient(
    connection: Connection, practice_id: UUID, integration: str, recipient_key: str
) -> None:
    """The provider writes to them no more, so neither do we."""
    await suppress(
        connection, practice_id, integration, recipient_key, reason=BY_THE_PROVIDER, how="webhook"
    )


async def unlist_recipient(
    connection: Connection, practice_id: UUID, integration: str, recipient_key: str
) -> None:
    """The provider took them off its list: somebody decided that there."""
    found = await connection.fetchval(
        "select id from suppression where practice_id = $1 and integration = $2"
        " and recipient_key = $3 and lifted_at is null and drill is null",
        practice_id,
        integration,
        recipient_key,
    )
    if found is not None:
        await lift(connection, found, "provider", how="webhook")


async def lift(
    connection: Connection,
    suppression_id: UUID,
    actor: str,
    *,
    how: How = "staff",
    evidence: str | None = None,
) -> bool:
    """Write to them again; False if that was decided before."""
    row = await connection.fetchrow(_LIFT, suppression_id, actor, how, evidence)
    if row is None:
        return False
    await record(
        connection,
        "suppression_lifted",
        practice_id=row["practice_id"],
        delivery_id=row["delivery_id"],
        data={"suppression": str(suppression_id)},
        actor=actor,
        drill=row["drill"],
    )
    return True


async def suppress(
    connection: Connection,
    practice_id: UUID,
    integration: str,
    recipient_key: str,
    *,
    reason: str,
    client_id: UUID | None = None,
    delivery_id: UUID | None = None,
    case_id: str | None = None,
    drill: str | None = None,
    how: How = "provider",
    actor: str = "system",
    evidence: str | None = None,
    note: bytes | None = None,
) -> UUID | None:
    """Write to them no more: its id; None for a second time, which changes nothing.

    `evidence` is the provider's id of a message that says so, `note` a colleague's words, sealed
    by the practice's consent ledger. An opt-out takes the place of what
    stood for another reason.
    """
    who: tuple[Any, ...] = (practice_id, integration, recipient_key)
    if reason == OPTED_OUT:
        await connection.execute(_OUTRANK, *who, drill, _SUPERSEDED, reason)
    added: UUID | None = await connection.fetchval(
        _SUPPRESS, *who, client_id, delivery_id, case_id, reason, drill, how, actor, evidence, note
    )
    if added is None:
        return None
    await connection.execute(_HURRY, *who, drill)
    await record(
        connection,
        "suppressed",
        practice_id=practice_id,
        delivery_id=delivery_id,
        data={"case": case_id, "reason": reason},
        drill=drill,
    )
    return added


# By what a step's evidence is; anything else is the provider's answer to an attempt.
_HEARD: Mapping[str, How] = MappingProxyType({"event": "webhook", "refused_locally": "check"})
SUPPRESSING: Mapping[str, Action] = MappingProxyType({"suppress": suppress_step})
