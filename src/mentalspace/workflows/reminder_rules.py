"""Changing the rules: a client's own at once, a practice's in batches that a crash only delays."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.appointment import find_appointment
from mentalspace.practice.reminder_policy import ReminderChoice, save_choice
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.appointment_news import remind_anew
from mentalspace.workflows.appointment_reminders import CLIENT_CHOSE, RULES_CHANGED
from mentalspace.workflows.appointments import Claims, mail_desk, remind_client_anew
from mentalspace.workflows.demo import system_claims

# A transaction holds so many appointments; a turn makes so many transactions.
BATCH = 50
BATCHES_A_TURN = 2

# A booking that read the old rules may commit after the last batch: they are looked at for
# ten minutes more, which no transaction of ours outlives.
_TO_DO = """
select practice_id from reminder_policy
 where rewritten_at is null or changed_at > clock_timestamp() - interval '10 min'
"""
_BATCH = """
select a.id from appointment a join reminder_policy r on r.practice_id = a.practice_id
 where a.practice_id = $1 and a.status = 'scheduled' and a.starts_at > app.now()
   and a.drill is null and a.rules_revision < r.revision
 order by a.starts_at limit $2 for update of a skip locked
"""
# What another worker holds is still in nobody's past: then it is not done yet.
_DONE = """
update reminder_policy r set rewritten_at = app.now()
 where practice_id = $1 and rewritten_at is null and not exists (
   select from appointment a where a.practice_id = r.practice_id and a.status = 'scheduled'
      and a.starts_at > app.now() and a.drill is null and a.rules_revision < r.revision)
"""


class ClientUnknown(MentalSpaceError):
    """No client of this practice has that id."""


async def choose_reminders(
    services: Services, claims: Claims, client_id: UUID, choice: ReminderChoice
) -> bool:
    """Whether anything changed. What waits for the client follows in the same transaction.

    Raises ClientUnknown, PolicyWrong.
    """
    async with services.database.as_user(claims) as connection:
        before = await save_choice(connection, client_id, choice)
        if before is None:
            raise ClientUnknown("there is no such client")
        if before == choice:
            return False
        desk = mail_desk(services, claims)
        await remind_client_anew(connection, desk, client_id, CLIENT_CHOSE)
        return True


async def rewrite_reminders(services: Services) -> int:
    """One turn: bring appointments whose practice changed its rules up to them; how many.

    Each batch is a transaction, and an appointment says which rules its reminders follow: what
    was not reached is found again, by this worker or another.
    """
    async with services.database.as_dispatcher() as connection:
        practices = [row["practice_id"] for row in await connection.fetch(_TO_DO)]
    count = 0
    for practice_id in practices:
        for _ in range(BATCHES_A_TURN):
            done = await _batch(services, practice_id)
            count += done
            if done < BATCH:
                break
    return count


async def _batch(services: Services, practice_id: UUID) -> int:
    claims = system_claims(practice_id)
    async with services.database.as_user(claims) as connection:
        rows = await connection.fetch(_BATCH, practice_id, BATCH)
        desk = mail_desk(services, claims)
        for row in rows:
            await _bring_up(connection, desk, row["id"])
        if len(rows) < BATCH:
            await connection.execute(_DONE, practice_id)
    return len(rows)


async def _bring_up(connection: Connection, desk: MailDesk, appointment_id: UUID) -> None:
    appointment = await find_appointment(connection, appointment_id)
    assert appointment is not None
    await remind_anew(connection, desk, appointment, RULES_CHANGED)
