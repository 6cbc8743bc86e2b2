"""What kind of line a number is, asked of the provider once, before the first text to it.

The question is written with the text, which waits for the answer a few seconds and then goes by
itself: a look-up that fails, is slow or is not made holds up nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.limiter import keep_slot, reserve_slot
from mentalspace.engine.log import get_logger
from mentalspace.engine.secrets import SealBroken
from mentalspace.engine.services import Services
from mentalspace.engine.suppression import suppress
from mentalspace.integrations.sms.number import Kind, KnowsNumbers
from mentalspace.kernel.case import classify
from mentalspace.kernel.errors import Evidence, ProviderError, Refused
from mentalspace.practice.phone_line import LANDLINE, learn_kind

# So long a first text waits for the answer; the question itself has this long in all.
PATIENCE = timedelta(seconds=10)
ANSWER_WITHIN_S = 5.0
# A question that brought no answer may be asked again, with a later text.
AGAIN_AFTER = timedelta(days=1)
AT_A_TIME = 10
# What the digits alone do not tell.
_UNSURE = ("either", "unknown")

log = get_logger(__name__)

# A number that a text has reached needs no question.
_WANT = """
insert into phone_line (practice_id, e164)
select $1, $2
 where exists (select from credential where practice_id = $1 and integration = 'sms' and active
                  and drill is null and looks_up_numbers)
   and not exists (select from notification_logs
                    where practice_id = $1 and recipient_phone = $2 and status = 'delivered')
on conflict (practice_id, e164) do update set wanted_at = app.now(), asked_at = null, case_id = null
 where phone_line.kind is null and phone_line.asked_at < app.now() - $3::interval
"""
_AWAITED = """
select exists (select from phone_line where practice_id = $1 and e164 = $2 and kind is null
                  and asked_at is null and wanted_at > app.now() - $3::interval)
"""
_PRACTICES = "select distinct practice_id from phone_line where asked_at is null and kind is null"
# A number is a client's: without an agreement, or in test mode, it goes to nobody.
_CREDENTIAL = """
select c.id, c.provider from credential c left join credential_state s on s.credential_id = c.id
 where c.practice_id = $1 and c.integration = 'sms' and c.active and c.drill is null
   and c.looks_up_numbers and not c.test_only
   and not (c.needs_agreement and not app.agreement_holds(c.practice_id, c.provider))
   and coalesce(s.breaker, 'closed') = 'closed'
 order by c.rank, c.created_at limit 1
"""
_TAKE = """
update phone_line set asked_at = app.now(), credential_id = $2
 where practice_id = $1 and e164 in (
   select e164 from phone_line where practice_id = $1 and asked_at is null and kind is null
    order by wanted_at limit $3 for update skip locked)
returning e164
"""
_NO_ANSWER = "update phone_line set case_id = $3 where practice_id = $1 and e164 = $2"
_HURRY = """
update delivery set next_attempt_at = app.now()
 where practice_id = $1 and integration = 'sms' and recipient_key = $2 and status = 'pending'
   and due_at <= app.now() + $3::interval and next_attempt_at > app.now() returning id
"""
_WHOSE = """
select id from client where practice_id = $1 and phone_e164 = $2 order by created_at limit 1
"""


@dataclass(frozen=True, slots=True)
class _Told:
    """What came of a question: the kind, or the case that says why there is none."""

    kind: Kind | None
    case_id: str | None = None


async def awaits_kind(
    connection: Connection, practice_id: UUID, e164: str, kind: str | None
) -> bool:
    """Want the look-up, where the practice has it switched on and nothing tells what the number
    is; whether its answer may still come in time."""
    if kind not in _UNSURE:
        return False
    await connection.execute(_WANT, practice_id, e164, AGAIN_AFTER)
    return bool(await connection.fetchval(_AWAITED, practice_id, e164, PATIENCE))


async def look_up_numbers(services: Services, adapters: Adapters) -> int:
    """One turn: ask what is wanted; how many were asked about. Each is asked once, for it costs:
    a worker that dies over the question leaves it unanswered, and the text goes."""
    async with services.database.as_dispatcher() as connection:
        practices = [row["practice_id"] for row in await connection.fetch(_PRACTICES)]
    return sum([await _of_practice(services, adapters, each) for each in practices])


async def _of_practice(services: Services, adapters: Adapters, practice_id: UUID) -> int:
    async with services.database.as_worker(practice_id) as connection:
        credential = await connection.fetchrow(_CREDENTIAL, practice_id)
        if credential is None:
            return 0
        rows = await connection.fetch(_TAKE, practice_id, credential["id"], AT_A_TIME)
    for row in rows:
        told = await _ask(services, adapters, practice_id, credential, row["e164"])
        async with services.database.as_worker(practice_id) as connection:
            await _take_in(connection, services, practice_id, row["e164"], told)
    return len(rows)


async def _ask(
    services: Services, adapters: Adapters, practice_id: UUID, credential: Any, e164: str
) -> _Told:
    """Whatever goes wrong is classified, and stops neither the lane nor the text."""
    try:
        adapter = await adapters.of(practice_id, credential["id"], deadline_s=ANSWER_WITHIN_S)
        if not isinstance(adapter, KnowsNumbers):
            return _Told(None)
        slot = await reserve_slot(services.database, practice_id, credential["id"], "interactive")
        await keep_slot(slot)
        return _Told(await adapter.kind_of(e164))
    except ProviderError as error:
        evidence = error.evidence
    except Refused as error:
        evidence = Evidence("refused_locally", code=error.code)
    except (LookupError, SealBroken) as error:
        log.error("credential_unusable", credential_id=credential["id"], error=type(error).__name__)
        return _Told(None)
    case = classify(services.runbooks.room("sms").cases_for(credential["provider"]), evidence)
    log.warning(
        "look_up_failed",
        credential_id=credential["id"],
        case=case.id,
        http=evidence.http,
        code=evidence.code,
        kind=evidence.kind,
    )
    return _Told(None, case.id)


async def _take_in(
    connection: Connection, services: Services, practice_id: UUID, e164: str, told: _Told
) -> None:
    """Let the texts that waited go, or be refused as to any landline."""
    key = services.vault.recipient_key(practice_id, e164)
    if told.kind is None:
        await connection.execute(_NO_ANSWER, practice_id, e164, told.case_id)
    else:
        await learn_kind(connection, practice_id, e164, told.kind, "lookup")
    waiting = await connection.fetch(_HURRY, practice_id, key, PATIENCE)
    for row in waiting:
        data = {"kind": told.kind, "case": told.case_id}
        await record(
            connection,
            "number_looked_up",
            practice_id=practice_id,
            delivery_id=row["id"],
            data={name: value for name, value in data.items() if value},
        )
    if told.kind == LANDLINE:
        await suppress(
            connection,
            practice_id,
            "sms",
            key,
            reason=LANDLINE,
            client_id=await connection.fetchval(_WHOSE, practice_id, e164),
            delivery_id=waiting[0]["id"] if waiting else None,
            how="check",
        )
