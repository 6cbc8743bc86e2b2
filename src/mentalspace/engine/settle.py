"""What becomes of deliveries after their attempt: the runbook decides, this carries it out.

Everything here runs in one transaction, on deliveries that it has locked. What concerns the
request (the attempt, the breaker, the lane) happens once, what concerns a delivery to each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, assert_never
from uuid import UUID

from mentalspace.engine.agreement import NO_AGREEMENT
from mentalspace.engine.backoff import MOST_ATTEMPTS, backoff_s
from mentalspace.engine.breaker import note_outcome
from mentalspace.engine.claim import PUT_DOWN, Claimed, tell
from mentalspace.engine.db import Connection
from mentalspace.engine.inbox import ask_anew
from mentalspace.engine.ledger import record_all
from mentalspace.engine.limiter import Slot, note_rate
from mentalspace.engine.log import get_logger
from mentalspace.engine.parcel import Parcel
from mentalspace.engine.steps import LANE_ACTIONS, Action, StepContext, pause_lane
from mentalspace.kernel.case import Disposition, ErrorCase, Fault
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.rate import RateLeft

# A longer Retry-After than this parks the lane instead of the one delivery.
LONGEST_RETRY_AFTER_S = 3600.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that has ended, `answered_at` a monotonic moment."""

    id: UUID
    took_ms: float
    slot: Slot
    answered_at: float


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a request, and what the runbook says of it.

    `attempt` is None when our own guard refused it before anything left. `batch` says that its
    deliveries went together.
    """

    claimed: Sequence[Claimed]
    attempt: Attempt | None
    evidence: Evidence
    case: ErrorCase
    batch: bool = False

    @property
    def first(self) -> Claimed:
        return self.claimed[0]


_FINISH = """
update attempt set state = $2, finished_at = app.now(), duration_ms = $3, request_id = $4,
  rate_limit = $5, rate_remaining = $6
 where id = $1 and state = 'open'
"""
_FINISH_FAILED = """
update attempt set state = $2, finished_at = app.now(), duration_ms = $3, request_id = $4,
  rate_limit = $5, rate_remaining = $6, evidence_kind = $7, http = $8, code = $9, case_id = $10,
  case_version = $11, disposition = $12, fault = $13
 where id = $1 and state = 'open'
"""
_TRIED = f"attempts = d.attempts + 1, starts = 0, {PUT_DOWN}"
_ACCEPT = f"""
update delivery d set status = 'accepted', provider_message_id = got.message_id, batch_id = null,
  {_TRIED}
  from unnest($1::uuid[], $2::text[]) as got (id, message_id)
 where d.id = any ($1) and d.id = got.id
"""
# Held, or taken back and not claimed again: the answer to the whole batch speaks of these too.
_ACCEPT_OTHERS = """
with got as (
  select ad.delivery_id as id, receipt.message_id
    from unnest($2::int[], $3::text[]) as receipt (place, message_id)
    join attempt_delivery ad on ad.attempt_id = $1 and ad.place = receipt.place
)
update delivery d set status = 'accepted', provider_message_id = got.message_id, batch_id = null,
  held_reason = null
  from got where d.id = got.id and d.batch_id = $1 and d.status in ('held', 'unknown')
returning d.id, d.drill
"""
_BACK = f"""
update delivery d set status = $2, last_case = $3, batch_id = case when $4 then d.batch_id end,
  next_attempt_at = app.now() + $5 * interval '1 s', {_TRIED}
 where d.id = any ($1)
"""
_ALONE = f"""
update delivery d set status = 'pending', batch_id = null, alone = true,
  next_attempt_at = app.now(), {_TRIED}
 where d.id = any ($1)
"""
_END = f"""
update delivery d set status = $2, last_case = $3, held_reason = $4,
  batch_id = case when $2 = 'held' then d.batch_id end, {_TRIED}
 where d.id = any ($1)
"""


async def settle_answer(
    connection: Connection,
    mine: Sequence[Claimed],
    parcel: Parcel,
    attempt: Attempt,
    results: Sequence[Receipt | Evidence],
) -> None:
    """The provider has them, except those of a batch that it refused: these go by themselves
    next, to meet their own error."""
    told = results[0]
    state = "succeeded" if any(isinstance(result, Receipt) for result in results) else "failed"
    await connection.execute(
        _FINISH, attempt.id, state, attempt.took_ms, told.request_id, *_rate_columns(told.rate)
    )
    places = dict(zip((member.id for member in parcel.members), parcel.places, strict=True))
    receipts: list[tuple[Claimed, Receipt]] = []
    refusals: list[tuple[Claimed, Evidence]] = []
    for member in mine:
        result = results[places[member.id]]
        if isinstance(result, Receipt):
            receipts.append((member, result))
        else:
            refusals.append((member, result))
    await _accept(connection, receipts, attempt, len(results))
    for_each = [{"because": evidence.summary()} for _, evidence in refusals]
    await _send_alone(connection, [member for member, _ in refusals], attempt, for_each)
    if parcel.batch_id is not None and parcel.repeats:
        await _accept_others(connection, attempt, parcel.first, parcel.batch_id, results)
    if parcel.repeats:
        await ask_anew(connection, parcel.first.credential_id)
    await _tell_credential(connection, mine, attempt, told.rate, good=True)
    first = parcel.first
    log.info(
        "attempt_answered",
        delivery_id=first.id,
        count=len(mine),
        attempt_id=attempt.id,
        practice_id=first.practice_id,
        integration=first.integration,
        state=state,
        duration_ms=round(attempt.took_ms, 1),
        provider_request_id=told.request_id,
        drill=first.drill,
    )


async def settle_absent(connection: Connection, mine: Sequence[Claimed], attempt: Attempt) -> None:
    """The provider has answered that it has not got it. What becomes of it is the caller's."""
    took_ms = attempt.took_ms
    await connection.execute(_FINISH, attempt.id, "succeeded", took_ms, None, None, None)
    await _tell_credential(connection, mine, attempt, None, good=True, answered=True)


async def settle_failure(
    connection: Connection, failure: Failure, actions: Mapping[str, Action], random: Random
) -> None:
    """Do as the case says: attempt, breaker, deliveries, then the case's steps.

    A batch that was surely refused for something in it says nothing of the others: each goes by
    itself.
    """
    _log(failure)
    case, evidence = failure.case, failure.evidence
    scattered = _scatters(failure)
    if failure.attempt is not None:
        await _finish(connection, failure, failure.attempt, None if scattered else case)
        await _tell_breaker(connection, failure, failure.attempt)
    if scattered:
        because = [{"because": evidence.summary()}] * len(failure.claimed)
        await _send_alone(connection, failure.claimed, failure.attempt, because)
        return
    classified = classification(case, evidence)
    await _record(connection, "classified", failure, failure.claimed, classified)
    await _dispose(connection, failure, random)
    for step in case.steps:
        for each in failure.claimed[:1] if step.do in LANE_ACTIONS else failure.claimed:
            await actions[step.do](_context(connection, failure, each, step.params))


def classification(case: ErrorCase, evidence: Evidence) -> dict[str, Any]:
    """What a timeline says of a failure."""
    return {
        "case": case.id,
        "version": case.version,
        "overlaid": case.overlaid,
        "disposition": case.disposition.value,
        "fault": case.fault.value,
        "evidence": evidence.summary(),
        "refused_locally": evidence.kind == "refused_locally",
        **({"said": evidence.said} if evidence.said else {}),
    }


def _scatters(failure: Failure) -> bool:
    """Whether a batch falls apart: it surely did not go, and trying it again is no use."""
    final = failure.case.disposition in (Disposition.REFUSE, Disposition.HUMAN)
    return failure.batch and final and not _perhaps_taken(failure)


def _perhaps_taken(failure: Failure) -> bool:
    """Whether the provider may have a batch after all, now or from before. Then it stays together
    whatever a case says: its parts, sent under keys of their own, would go a second time."""
    evidence = failure.evidence
    if evidence.kind == "http" and evidence.http is not None:
        told = 400 <= evidence.http < 500 and evidence.http not in (408, 409)
        sure = told or evidence.http == 503
    else:
        sure = evidence.kind in ("connect", "refused_locally")
    # A question that was refused as malformed was no other when it was first sent.
    if failure.case.disposition is Disposition.REFUSE:
        return not sure
    return not sure or any(_stays_unknown(failure, each) for each in failure.claimed)


async def _accept(
    connection: Connection,
    receipts: Sequence[tuple[Claimed, Receipt]],
    attempt: Attempt,
    size: int,
) -> None:
    members = [member for member, _ in receipts]
    ids = [member.id for member in members]
    await connection.execute(_ACCEPT, ids, [r.provider_message_id for _, r in receipts])
    lines = [
        {"request_id": receipt.request_id, "reconciled": member.perhaps_left, "size": size}
        for member, receipt in receipts
    ]
    await tell(connection, "accepted", members, attempt.id, lines)


async def _accept_others(
    connection: Connection,
    attempt: Attempt,
    first: Claimed,
    batch_id: UUID,
    results: Sequence[Receipt | Evidence],
) -> None:
    found = [
        (place, result.provider_message_id)
        for place, result in enumerate(results)
        if isinstance(result, Receipt)
    ]
    rows = await connection.fetch(
        _ACCEPT_OTHERS, batch_id, [place for place, _ in found], [name for _, name in found]
    )
    await record_all(
        connection,
        "accepted",
        practice_id=first.practice_id,
        attempt_id=attempt.id,
        lane_id=first.lane_id,
        lines=[(row["id"], row["drill"], {"reconciled": True}) for row in rows],
        actor="worker",
    )


async def _send_alone(
    connection: Connection,
    members: Sequence[Claimed],
    attempt: Attempt | None,
    because: Sequence[Mapping[str, Any]],
) -> None:
    if not members:
        return
    await connection.execute(_ALONE, [member.id for member in members])
    await tell(connection, "left_batch", members, attempt.id if attempt else None, because)


async def _dispose(connection: Connection, failure: Failure, random: Random) -> None:
    case, members = failure.case, failure.claimed
    match case.disposition:
        case Disposition.RETRY:
            await _retry(connection, failure, random)
        case Disposition.RECONCILE:
            await _reconcile_later(connection, failure, random)
        case Disposition.WAIT:
            params = _pause(failure)
            await pause_lane(_context(connection, failure, failure.first, params))
            await _back(connection, failure, members, 0.0)
        case Disposition.REFUSE:
            await _end(connection, failure, members, "refused", None)
            await _record(connection, "refused", failure, members, {"case": case.id})
        case Disposition.HUMAN:
            await _hold(connection, failure, members, f"{case.title}: {failure.evidence.summary()}")
        case _:
            assert_never(case.disposition)


async def _retry(connection: Connection, failure: Failure, random: Random) -> None:
    spent, left = _spent_and_left(failure)
    await _hold(connection, failure, spent, f"{MOST_ATTEMPTS} attempts failed")
    if not left:
        return
    floor_s = failure.evidence.retry_after_s
    if floor_s is not None and floor_s > LONGEST_RETRY_AFTER_S:
        await pause_lane(_context(connection, failure, left[0], {"for_s": str(floor_s)}))
        floor_s = None
    delay_s = _delay_s(failure, random, floor_s)
    await _back(connection, failure, left, delay_s)
    after_s = failure.evidence.retry_after_s
    data = {"case": failure.case.id, "in_s": round(delay_s, 1), "retry_after_s": after_s}
    await _record(connection, "retry_scheduled", failure, left, data)


async def _reconcile_later(connection: Connection, failure: Failure, random: Random) -> None:
    spent, left = _spent_and_left(failure)
    reason = f"outcome still unknown after {MOST_ATTEMPTS} questions"
    await _hold(connection, failure, spent, reason)
    delay_s = _delay_s(failure, random, failure.evidence.retry_after_s)
    await _back(connection, failure, left, delay_s, unknown=True)
    data = {"case": failure.case.id, "ask_again_in_s": round(delay_s, 1)}
    await _record(connection, "outcome_unknown", failure, left, data)


def _pause(failure: Failure) -> dict[str, str]:
    """How long a lane waits, and for what: as the provider says, else as the case does."""
    if failure.evidence.code == NO_AGREEMENT:
        return {"only": "phi"}
    for_s = failure.evidence.retry_after_s or failure.case.wait_s
    return {} if for_s is None else {"for_s": str(for_s)}


def _spent_and_left(failure: Failure) -> tuple[list[Claimed], list[Claimed]]:
    """Those that have used up their attempts with this one, and those that have not."""
    spent = [each for each in failure.claimed if each.attempts + 1 >= MOST_ATTEMPTS]
    return spent, [each for each in failure.claimed if each.attempts + 1 < MOST_ATTEMPTS]


def _delay_s(failure: Failure, random: Random, floor_s: float | None) -> float:
    """A Retry-After of two seconds, named every time, must not use up all attempts in a minute."""
    attempts = max(each.attempts for each in failure.claimed)
    return max(backoff_s(attempts, random), backoff_s(attempts, random, floor_s=floor_s))


def _stays_unknown(failure: Failure, member: Claimed) -> bool:
    """What was unknown stays so until the provider has said what became of it."""
    asked = failure.batch or failure.attempt is None
    return member.was_unknown or (asked and member.batch_id is not None)


async def _hold(
    connection: Connection, failure: Failure, members: Sequence[Claimed], reason: str
) -> None:
    if members:
        await _end(connection, failure, members, "held", reason)
        data = {"case": failure.case.id, "reason": reason}
        await _record(connection, "held", failure, members, data)


async def _end(
    connection: Connection,
    failure: Failure,
    members: Sequence[Claimed],
    status: str,
    reason: str | None,
) -> None:
    ids = [member.id for member in members]
    await connection.execute(_END, ids, status, failure.case.id, reason)


async def _back(
    connection: Connection,
    failure: Failure,
    members: Sequence[Claimed],
    delay_s: float,
    *,
    unknown: bool = False,
) -> None:
    """To be taken up again after a while: as unknown, or as if it had never left."""
    unknown = unknown or (failure.batch and _perhaps_taken(failure))
    for stays in (True, False):
        ids = [m.id for m in members if (unknown or _stays_unknown(failure, m)) is stays]
        if ids:
            status = "unknown" if stays else "pending"
            await connection.execute(_BACK, ids, status, failure.case.id, stays, delay_s)


async def _finish(
    connection: Connection, failure: Failure, attempt: Attempt, case: ErrorCase | None
) -> None:
    """`case` is None if what it means is left to each delivery's own attempt."""
    evidence = failure.evidence
    unknown = case is not None and case.disposition is Disposition.RECONCILE
    await connection.execute(
        _FINISH_FAILED,
        attempt.id,
        "unknown" if unknown else "failed",
        attempt.took_ms,
        evidence.request_id,
        *_rate_columns(evidence.rate),
        evidence.kind,
        evidence.http,
        evidence.code,
        case.id if case else None,
        case.version if case else None,
        case.disposition.value if case else None,
        case.fault.value if case else None,
    )


async def _tell_breaker(connection: Connection, failure: Failure, attempt: Attempt) -> None:
    """The provider's own faults count against it; any other answer proves that it answers."""
    claimed, rate = failure.claimed, failure.evidence.rate
    if failure.case.fault is Fault.THEIRS:
        await _tell_credential(connection, claimed, attempt, rate, good=False)
    elif failure.evidence.answered:
        await _tell_credential(connection, claimed, attempt, rate, good=True, answered=True)


async def _tell_credential(
    connection: Connection,
    members: Sequence[Claimed],
    attempt: Attempt,
    rate: RateLeft | None,
    *,
    good: bool,
    answered: bool = False,
) -> None:
    """Limiter and breaker count requests, whatever was in them."""
    first = members[0]
    if rate is not None:
        await note_rate(connection, first.credential_id, attempt.slot, rate, attempt.answered_at)
    moved = await note_outcome(connection, first.credential_id, good=good, answered=answered)
    if moved:
        await tell(connection, f"breaker_{moved}", members[:1], attempt.id, {})


def _rate_columns(rate: RateLeft | None) -> tuple[int | None, int | None]:
    return (None, None) if rate is None else (rate.limit, rate.remaining)


def _context(
    connection: Connection, failure: Failure, claimed: Claimed, params: Mapping[str, str]
) -> StepContext:
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
    connection: Connection,
    kind: str,
    failure: Failure,
    members: Sequence[Claimed],
    data: Mapping[str, Any],
) -> None:
    await tell(connection, kind, members, failure.attempt.id if failure.attempt else None, data)


def _log(failure: Failure) -> None:
    first, evidence, case = failure.first, failure.evidence, failure.case
    log.warning(
        "attempt_failed",
        delivery_id=first.id,
        count=len(failure.claimed),
        attempt_id=failure.attempt.id if failure.attempt else None,
        practice_id=first.practice_id,
        integration=first.integration,
        case=case.id,
        disposition=case.disposition.value,
        http=evidence.http,
        code=evidence.code,
        kind=evidence.kind,
        provider_request_id=evidence.request_id,
        traceparent=first.traceparent,
        drill=first.drill,
    )
