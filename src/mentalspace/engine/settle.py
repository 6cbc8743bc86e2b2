"""What becomes of a delivery after its attempt: the runbook decides, this carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, assert_never
from uuid import UUID

from mentalspace.engine.agreement import NO_AGREEMENT
from mentalspace.engine.backoff import MOST_ATTEMPTS, backoff_s
from mentalspace.engine.breaker import note_outcome
from mentalspace.engine.claim import Claimed, move, record_for
from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger
from mentalspace.engine.steps import Action, StepContext, pause_lane
from mentalspace.kernel.case import Disposition, ErrorCase, Fault
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence

# A longer Retry-After than this parks the lane instead of the one delivery.
LONGEST_RETRY_AFTER_S = 3600.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    id: UUID
    took_ms: float


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a delivery, and what the runbook says of it.

    `attempt` is None when our own guard refused it before anything left.
    """

    claimed: Claimed
    attempt: Attempt | None
    evidence: Evidence
    case: ErrorCase


_FINISH_ATTEMPT = """
update attempt set state = $2, finished_at = app.now(), duration_ms = $3, request_id = $4
 where id = $1 and state = 'open'
"""
_FINISH_FAILED = """
update attempt set state = $2, finished_at = app.now(), duration_ms = $3, request_id = $4,
  evidence_kind = $5, http = $6, code = $7, case_id = $8, case_version = $9, disposition = $10,
  fault = $11
 where id = $1 and state = 'open'
"""
_COUNTED = "last_case = $4, attempts = attempts + 1, starts = 0"


async def settle_success(
    connection: Connection, claimed: Claimed, attempt: Attempt, receipt: Receipt
) -> None:
    """The provider has it. Raises Fenced if the delivery is no longer ours."""
    await connection.execute(
        _FINISH_ATTEMPT, attempt.id, "succeeded", attempt.took_ms, receipt.request_id
    )
    await move(
        connection,
        claimed,
        "accepted",
        "provider_message_id = $4, attempts = attempts + 1, starts = 0",
        receipt.provider_message_id,
    )
    data = {"request_id": receipt.request_id, "reconciled": claimed.was_unknown}
    await record_for(connection, "accepted", claimed, attempt.id, data)
    moved = await note_outcome(connection, claimed.credential_id, good=True)
    if moved:
        await record_for(connection, f"breaker_{moved}", claimed, attempt.id, {})


async def settle_failure(
    connection: Connection, failure: Failure, actions: Mapping[str, Action], random: Random
) -> None:
    """Do as the case says: attempt, breaker, delivery, then the case's steps. Raises Fenced."""
    _log(failure)
    if failure.attempt is not None:
        await _finish(connection, failure, failure.attempt)
        await _tell_breaker(connection, failure)
    case, evidence = failure.case, failure.evidence
    await _record(
        connection,
        "classified",
        failure,
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
    await _dispose(connection, failure, random)
    for step in case.steps:
        await actions[step.do](_context(connection, failure, step.params))


async def _dispose(connection: Connection, failure: Failure, random: Random) -> None:
    case = failure.case
    match case.disposition:
        case Disposition.RETRY:
            await _retry(connection, failure, random)
        case Disposition.RECONCILE:
            await _reconcile_later(connection, failure, random)
        case Disposition.WAIT:
            await pause_lane(_context(connection, failure, _pause(failure.evidence)))
            await _back(connection, failure, _waiting(failure), 0.0)
        case Disposition.REFUSE:
            await move(connection, failure.claimed, "refused", _COUNTED, case.id)
            await _record(connection, "refused", failure, {"case": case.id})
        case Disposition.HUMAN:
            await _hold(connection, failure, f"{case.title}: {failure.evidence.summary()}")
        case _:
            assert_never(case.disposition)


async def _retry(connection: Connection, failure: Failure, random: Random) -> None:
    if failure.claimed.attempts + 1 >= MOST_ATTEMPTS:
        await _hold(connection, failure, f"{MOST_ATTEMPTS} attempts failed")
        return
    floor_s = failure.evidence.retry_after_s
    if floor_s is not None and floor_s > LONGEST_RETRY_AFTER_S:
        await pause_lane(_context(connection, failure, {"for_s": str(floor_s)}))
        floor_s = None
    delay_s = _delay_s(failure, random, floor_s)
    await _back(connection, failure, _waiting(failure), delay_s)
    after_s = failure.evidence.retry_after_s
    data = {"case": failure.case.id, "in_s": round(delay_s, 1), "retry_after_s": after_s}
    await _record(connection, "retry_scheduled", failure, data)


async def _reconcile_later(connection: Connection, failure: Failure, random: Random) -> None:
    if failure.claimed.attempts + 1 >= MOST_ATTEMPTS:
        reason = f"outcome still unknown after {MOST_ATTEMPTS} questions"
        await _hold(connection, failure, reason)
        return
    floor_s = failure.evidence.retry_after_s
    delay_s = _delay_s(failure, random, floor_s)
    await _back(connection, failure, "unknown", delay_s)
    data = {"case": failure.case.id, "ask_again_in_s": round(delay_s, 1)}
    await _record(connection, "outcome_unknown", failure, data)


def _pause(evidence: Evidence) -> dict[str, str]:
    """How long a lane waits, and for what."""
    if evidence.code == NO_AGREEMENT:
        return {"only": "phi"}
    return {} if evidence.retry_after_s is None else {"for_s": str(evidence.retry_after_s)}


def _delay_s(failure: Failure, random: Random, floor_s: float | None) -> float:
    """A Retry-After of two seconds, named every time, must not use up all attempts in a minute."""
    attempts = failure.claimed.attempts
    return max(backoff_s(attempts, random), backoff_s(attempts, random, floor_s=floor_s))


def _waiting(failure: Failure) -> str:
    """What was unknown stays so until the provider has said what became of it."""
    return "unknown" if failure.claimed.was_unknown else "pending"


async def _hold(connection: Connection, failure: Failure, reason: str) -> None:
    held = f"{_COUNTED}, held_reason = $5"
    await move(connection, failure.claimed, "held", held, failure.case.id, reason)
    await _record(connection, "held", failure, {"case": failure.case.id, "reason": reason})


async def _back(connection: Connection, failure: Failure, status: str, delay_s: float) -> None:
    later = f"{_COUNTED}, next_attempt_at = app.now() + $5 * interval '1 s'"
    await move(connection, failure.claimed, status, later, failure.case.id, delay_s)


async def _finish(connection: Connection, failure: Failure, attempt: Attempt) -> None:
    evidence, case = failure.evidence, failure.case
    await connection.execute(
        _FINISH_FAILED,
        attempt.id,
        "unknown" if case.disposition is Disposition.RECONCILE else "failed",
        attempt.took_ms,
        evidence.request_id,
        evidence.kind,
        evidence.http,
        evidence.code,
        case.id,
        case.version,
        case.disposition.value,
        case.fault.value,
    )


async def _tell_breaker(connection: Connection, failure: Failure) -> None:
    """The provider's own faults count against it; any other answer proves that it answers."""
    credential_id = failure.claimed.credential_id
    if failure.case.fault is Fault.THEIRS:
        moved = await note_outcome(connection, credential_id, good=False)
    elif failure.evidence.answered:
        moved = await note_outcome(connection, credential_id, good=True, answered=True)
    else:
        return
    if moved:
        await _record(connection, f"breaker_{moved}", failure, {"case": failure.case.id})


def _context(connection: Connection, failure: Failure, params: Mapping[str, str]) -> StepContext:
    claimed = failure.claimed
    return StepContext(
        connection=connection,
        practice_id=claimed.practice_id,
        delivery_id=claimed.id,
        client_id=claimed.client_id,
        subject_id=claimed.subject_id,
        lane_id=claimed.lane_id,
        credential_id=claimed.credential_id,
        case=failure.case,
        evidence=failure.evidence,
        params=params,
        drill=claimed.drill,
    )


async def _record(
    connection: Connection, kind: str, failure: Failure, data: dict[str, Any]
) -> None:
    attempt_id = failure.attempt.id if failure.attempt else None
    await record_for(connection, kind, failure.claimed, attempt_id, data)


def _log(failure: Failure) -> None:
    claimed, evidence, case = failure.claimed, failure.evidence, failure.case
    log.warning(
        "attempt_failed",
        delivery_id=claimed.id,
        attempt_id=failure.attempt.id if failure.attempt else None,
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
