"""A client's address or number put right: what waits for them follows, and its task is done."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.kernel.phi import Phi
from mentalspace.practice.audit import note
from mentalspace.practice.task import ADDRESS, close_tasks
from mentalspace.workflows.appointment_reminders import REACHED_ELSEWHERE
from mentalspace.workflows.appointments import Claims, mail_desk, remind_client_anew
from mentalspace.workflows.reminder_rules import ClientUnknown

_LOCK = "select email, phone from client where id = $1 for update"
_SAVE = """
update client set email = coalesce($2, email), phone = coalesce($3, phone), updated_at = app.now()
 where id = $1
"""


async def change_reach(
    services: Services,
    claims: Claims,
    client_id: UUID,
    email: Phi[str] | None,
    phone: Phi[str] | None,
) -> bool:
    """Whether anything changed; None leaves it as it is. Raises ClientUnknown."""
    async with services.database.as_user(claims) as connection:
        before = await connection.fetchrow(_LOCK, client_id)
        if before is None:
            raise ClientUnknown("there is no such client")
        address = email.reveal() if email else before["email"]
        number = phone.reveal() if phone else before["phone"]
        if (address, number) == (before["email"], before["phone"]):
            return False
        await connection.execute(_SAVE, client_id, address, number)
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
        return True
