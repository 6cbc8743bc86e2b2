"""What becomes of a delivery after its attempt: the runbook decides, this carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, assert_never
from uuid import UUID

from mentalspace.engine.backoff import MOST_ATTEMPTS, backoff_s
from mentalspace.engine.breaker import note_outcome
from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.log import get_logger
from mentalspace.engine.steps import Action, StepContext, pause_lane
from mentalspace.kernel.case import Disposition, ErrorCase, Fault
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence

# A longer Retry-After than this parks the lane instead of the one delivery.
LONGEST_RETRY_AFTER_S = 3600.0
# After an error of our own; short, for the start is counted.
LET_GO_S = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in a worker's hand. `token` fences out whoever held it before; `payload` is
    empty if it could not be opened."""

    id: UUID
    practice_id: UUID
    lane_id: UUID
    credential_id: UUID
    client_id: UUID | None
    subject_id: UUID | None
    integration: str
    idempotency_key: str
    payload: bytes
    bypass_guard: bool
    attempts: int
    starts: int
    was_unknown: bool
    first_attempt_age_s: float
    expired: bool
    traceparent: str
    drill: str | None
    token: UUID


class Fenced(Exception):
    """Another worker holds the delivery now; the idempotency key keeps it from going twice."""


_FINISH_ATTEMPT = """
update attempt set state = $2, finished_at = app.now(), evidence_kind = $3, http = $4, code = $5,
  request_id = $6, case_id = $7, case_version = $8, disposition = $9, fault = $10,
  duration_ms = $11
 where id = $1 and state = 'open'
"""

_PERHAPS_SENT = """
select exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
                where ad.delivery_id = $1 and a.state in ('open', 'unknown'))
"""
_LEAVE_ATTEMPTS = """
update attempt set state = 'unknown', finished_at = app.now() where state = 'open'
   and id in (select attempt_id from attempt_delivery where delivery_id = $1)
"""


async def settle_success(
    connection: Connection, claimed: Claimed, attempt: tuple[UUID, float], receipt: Receipt
) -> None:
    """The provider has it; `attempt` is its id and the call's milliseconds.

    Raises Fenced if the delivery is no longer ours.
    """
    attempt_id = attempt[0]
    await _finish(connection, attempt, "succeeded", None, None, receipt.request_id)
    await _move(
        connection,
        claimed,
        "accepted",
        "provider_message_id = $4, attempts = attempts + 1, starts = 0",
        receipt.provider_message_id,
    )
    moved = await note_outcome(connection, claimed.credential_id, good=True)
    await _record(
        connection,
        "accepted",
        claimed,
        attempt_id,
        {"request_id": receipt.request_id, "reconciled": claimed.was_unknown},
    )
    if moved:
        await _record(connection, f"breaker_{moved}", claimed, attempt_id, {})


async def settle_failure(
    connection: Connection,
    claimed: Claimed,
    attempt: tuple[UUID, float] | None,
    evidence: Evidence,
    case: ErrorCase,
    actions: Mapping[str, Action],
    random: Random,
) -> None:
    """Do as the case says. `attempt` is None when our own guard refused it."""
    attempt_id = attempt[0] if attempt else None
    log.warning(
        "attempt_failed",
        delivery_id=claimed.id,
        attempt_id=attempt_id,
        practice_id=claimed.practice_id,
        integration=claimed.integration,
        case=case.id,
        disposition=case.disposition.value,
        http=evidence.http,
        code=evidence.code,
        kind=evidence.kind,
        request_id=evidence.request_id,
        traceparent=claimed.traceparent,
        drill=claimed.drill,
    )
    state = "unknown" if case.disposition is Disposition.RECONCILE else "failed"
    if attempt is not None and attempt_id is not None:
        await _finish(connection, attempt, state, evidence, case, evidence.request_id)
        await _tell_breaker(connection, claimed, attempt_id, evidence, case)
    await _record(
        connection,
        "classified",
        claimed,
        attempt_id,
        {
            "case": case.id,
            "version": case.version,
            "overlaid": case.overlaid,
            "disposition": case.disposition.value,
            "fault": case.fault.value,
            "evidence": evidence.summary(),
            "refused_locally": evidence.kind == "refused_locally",
        },
    )
    await _dispose(connection, claimed, attempt_id, evidence, case, random)
    await _run_steps(connection, claimed, evidence, case, actions)


async def hold(connection: Connection, claimed: Claimed, reason: str) -> None:
    """Keep it for a person. `reason` is a phrase without a name in it."""
    await _move(connection, claimed, "held", "held_reason = $4", reason)
    await _record(connection, "held", claimed, None, {"reason": reason})


async def expire(connection: Connection, claimed: Claimed) -> None:
    await _move(connection, claimed, "expired", "held_reason = $4", None)
    await _record(connection, "expired", claimed, None, {})


async def let_go(connection: Connection, claimed: Claimed) -> None:
    """Give it back after an error of our own: unknown if it may have left, else due.

    Its start stays counted, so that what fails so each time is held in the end.
    """
    perhaps_sent = await connection.fetchval(_PERHAPS_SENT, claimed.id)
    await connection.execute(_LEAVE_ATTEMPTS, claimed.id)
    status = "unknown" if perhaps_sent else "due"
    await _move(
        connection, claimed, status, "next_attempt_at = app.now() + $4 * interval '1 s'", LET_GO_S
    )
    await _record(connection, "let_go", claimed, None, {"now": status})


async def _dispose(
    connection: Connection,
    claimed: Claimed,
    attempt_id: UUID | None,
    evidence: Evidence,
    case: ErrorCase,
    random: Random,
) -> None:
    match case.disposition:
        case Disposition.RETRY:
            await _retry(connection, claimed, attempt_id, evidence, case, random)
        case Disposition.RECONCILE:
            await _reconcile_later(connection, claimed, attempt_id, evidence, case, random)
        case Disposition.WAIT:
            await pause_lane(_context(connection, claimed, evidence, case, _wait_params(evidence)))
            await _back(connection, claimed, case, _waiting(claimed), 0.0)
        case Disposition.REFUSE:
            await _move(connection, claimed, "refused", _COUNTED, case.id)
            await _record(connection, "refused", claimed, attempt_id, {"case": case.id})
        case Disposition.HUMAN:
            await _hold_counted(connection, claimed, case, f"{case.title}: {evidence.summary()}")
        case _:
            assert_never(case.disposition)


_COUNTED = "last_case = $4, attempts = attempts + 1, starts = 0"


def _waiting(claimed: Claimed) -> str:
    """What was unknown stays so until the provider has said what became of it."""
    return "unknown" if claimed.was_unknown else "pending"


def _wait_params(evidence: Evidence) -> dict[str, str]:
    return {} if evidence.retry_after_s is None else {"for_s": str(evidence.retry_after_s)}


async def _retry(
    connection: Connection,
    claimed: Claimed,
    attempt_id: UUID | None,
    evidence: Evidence,
    case: ErrorCase,
    random: Random,
) -> None:
    if claimed.attempts + 1 >= MOST_ATTEMPTS:
        await _hold_counted(connection, claimed, case, f"{MOST_ATTEMPTS} attempts failed")
        return
    floor_s = evidence.retry_after_s
    if floor_s is not None and floor_s > LONGEST_RETRY_AFTER_S:
        await pause_lane(_context(connection, claimed, evidence, case, {"for_s": str(floor_s)}))
        floor_s = None
    delay_s = backoff_s(claimed.attempts, random, floor_s=floor_s)
    await _back(connection, claimed, case, _waiting(claimed), delay_s)
    await _record(
        connection,
        "retry_scheduled",
        claimed,
        attempt_id,
        {"case": case.id, "in_s": round(delay_s, 1), "retry_after_s": evidence.retry_after_s},
    )


async def _reconcile_later(
    connection: Connection,
    claimed: Claimed,
    attempt_id: UUID | None,
    evidence: Evidence,
    case: ErrorCase,
    random: Random,
) -> None:
    if claimed.attempts + 1 >= MOST_ATTEMPTS:
        await _hold_counted(
            connection, claimed, case, f"outcome still unknown after {MOST_ATTEMPTS} questions"
        )
        return
    delay_s = backoff_s(claimed.attempts, random, floor_s=evidence.retry_after_s)
    await _back(connection, claimed, case, "unknown", delay_s)
    await _record(
        connection,
        "outcome_unknown",
        claimed,
        attempt_id,
        {"case": case.id, "ask_again_in_s": round(delay_s, 1)},
    )


async def _hold_counted(
    connection: Connection, claimed: Claimed, case: ErrorCase, reason: str
) -> None:
    await _move(connection, claimed, "held", f"{_COUNTED}, held_reason = $5", case.id, reason)
    await _record(connection, "held", claimed, None, {"case": case.id, "reason": reason})


async def _back(
    connection: Connection, claimed: Claimed, case: ErrorCase, status: str, delay_s: float
) -> None:
    await _move(
        connection,
        claimed,
        status,
        f"{_COUNTED}, next_attempt_at = app.now() + $5 * interval '1 s'",
        case.id,
        delay_s,
    )


async def _move(
    connection: Connection, claimed: Claimed, status: str, extra: str, *values: Any
) -> None:
    moved = await connection.fetchval(
        f"update delivery set status = $3, claimed_by = null, claim_token = null,"
        f" claimed_at = null, {extra} where id = $1 and claim_token = $2 returning true",
        claimed.id,
        claimed.token,
        status,
        *values,
    )
    if not moved:
        raise Fenced


async def _finish(
    connection: Connection,
    attempt: tuple[UUID, float],
    state: str,
    evidence: Evidence | None,
    case: ErrorCase | None,
    request_id: str | None,
) -> None:
    await connection.execute(
        _FINISH_ATTEMPT,
        attempt[0],
        state,
        evidence.kind if evidence else None,
        evidence.http if evidence else None,
        evidence.code if evidence else None,
        request_id,
        case.id if case else None,
        case.version if case else None,
        case.disposition.value if case else None,
        case.fault.value if case else None,
        attempt[1],
    )


async def _tell_breaker(
    connection: Connection,
    claimed: Claimed,
    attempt_id: UUID,
    evidence: Evidence,
    case: ErrorCase,
) -> None:
    """The provider's own faults count against it; any other answer proves that it answers."""
    if case.fault is Fault.THEIRS:
        moved = await note_outcome(connection, claimed.credential_id, good=False)
    elif evidence.kind == "http":
        moved = await note_outcome(connection, claimed.credential_id, good=True, answered=True)
    else:
        return
    if moved:
        await _record(connection, f"breaker_{moved}", claimed, attempt_id, {"case": case.id})


async def _run_steps(
    connection: Connection,
    claimed: Claimed,
    evidence: Evidence,
    case: ErrorCase,
    actions: Mapping[str, Action],
) -> None:
    for step in case.steps:
        await actions[step.do](_context(connection, claimed, evidence, case, step.params))


def _context(
    connection: Connection,
    claimed: Claimed,
    evidence: Evidence,
    case: ErrorCase,
    params: Mapping[str, str],
) -> StepContext:
    return StepContext(
        connection=connection,
        practice_id=claimed.practice_id,
        delivery_id=claimed.id,
        client_id=claimed.client_id,
        subject_id=claimed.subject_id,
        lane_id=claimed.lane_id,
        credential_id=claimed.credential_id,
        case=case,
        evidence=evidence,
        params=params,
        drill=claimed.drill,
    )


async def _record(
    connection: Connection,
    kind: str,
    claimed: Claimed,
    attempt_id: UUID | None,
    data: dict[str, Any],
) -> None:
    await record(
        connection,
        kind,
        practice_id=claimed.practice_id,
        delivery_id=claimed.id,
        attempt_id=attempt_id,
        lane_id=claimed.lane_id,
        data=data,
        actor="worker",
        drill=claimed.drill,
    )
