"""A client's address or number put right: what waits for them follows, and its task is done."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.integrations.sms.number import normalise
from mentalspace.kernel.phi import Phi
from mentalspace.practice.audit import note
from mentalspace.practice.task import ADDRESS, PHONE, close_tasks
from mentalspace.workflows.appointment_reminders import REACHED_ELSEWHERE
from mentalspace.workflows.appointment_texts import note_number
from mentalspace.workflows.appointments import Claims, mail_desk, remind_client_anew
from mentalspace.workflows.demo import system_claims
from mentalspace.workflows.reminder_rules import ClientUnknown

_LOCK = "select email, phone from client where id = $1 for update"
_SAVE = """
update client set email = coalesce($2, email), phone = coalesce($3, phone), updated_at = app.now()
 where id = $1
"""

_UNREAD = """
select id, phone from client where phone is not null and phone_checked_at is null
 limit 500 for update skip locked
"""

# "no_texts": saved, but the number is a landline.
Changed = Literal["same", "saved", "no_texts"]


async def change_reach(
    services: Services,
    claims: Claims,
    client_id: UUID,
    email: Phi[str] | None,
    phone: Phi[str] | None,
) -> Changed:
    """None leaves it as it is. Raises ClientUnknown, and NotANumber for a new number that nobody
    could dial: nothing is saved then."""
    async with services.database.as_user(claims) as connection:
        before = await connection.fetchrow(_LOCK, client_id)
        if before is None:
            raise ClientUnknown("there is no such client")
        address = email.reveal() if email else before["email"]
        number = phone.reveal() if phone else before["phone"]
        if (address, number) == (before["email"], before["phone"]):
            return "same"
        if phone and number != before["phone"]:
            normalise(number)
        await connection.execute(_SAVE, client_id, address, number)
        problem = None
        if number != before["phone"]:
            problem = await note_number(connection, client_id, number)
            await close_tasks(connection, client_id, PHONE)
        if address != before["email"]:
            await close_tasks(connection, client_id, ADDRESS)
        await remind_client_anew(
            connection, mail_desk(services, claims), client_id, REACHED_ELSEWHERE
        )
        await note(
            connection,
            str(claims["sub"]),
            "client.reach_changed",
            practice_id=UUID(str(claims["practice"])),
            subject=client_id,
        )
        return "saved" if problem is None else "no_texts"


async def read_numbers(services: Services) -> None:
    """Find out how each number is dialled that nobody has looked at since it was written."""
    async with services.database.as_dispatcher() as connection:
        practices = await connection.fetch("select id from practice")
    for practice in practices:
        async with services.database.as_user(system_claims(practice["id"])) as connection:
            for client in await connection.fetch(_UNREAD):
                await note_number(connection, client["id"], client["phone"])
