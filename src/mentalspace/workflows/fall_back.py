"""The step `fall_back`: what a text could not tell goes by mail, once, while it is still true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import record
from mentalspace.engine.steps import Action, StepContext
from mentalspace.kernel.case import Step
from mentalspace.practice.appointment import Appointment, find_appointment
from mentalspace.practice.reminder import Reminder
from mentalspace.practice.task import add_to_task, ask_role
from mentalspace.workflows.appointment_mails import MailDesk, write_mail

_TEXT = """
select n.occasion, n.version, n.for_start, n.lead_min, d.status, d.due_at, d.expires_at,
       app.now() as now,
       exists (select from appointment_notifications m
                where m.appointment_id = n.appointment_id and m.status in ('pending', 'sent')
                  and m.notification_type = n.occasion
                  and m.for_start is not distinct from n.for_start
                  and m.lead_min is not distinct from n.lead_min
                  and m.created_at >= n.created_at) as mailed,
       n.appointment_id
  from notification_logs n join delivery d on d.id = n.delivery_id where n.delivery_id = $1
"""
_ENDED_BADLY = frozenset({"refused", "bounced", "failed", "expired"})
_FRONT_DESK = "front_desk"
_NOT_TOLD = "A text about an appointment did not arrive, and no mail went in its place: call them."
_CALL = "No mail went in its place: call them about the appointment."


def fall_back_with(desk: Callable[[datetime], MailDesk]) -> Action:
    """The action; `desk` is asked for what writing a mail needs at that moment."""

    async def fall_back(context: StepContext) -> None:
        """The same news by mail (`to = "email"`), if the client allows it, has an address, and was
        not told by mail anyway; else a task, unless it is of no use any more. A second time
        changes nothing. A text that tells of no appointment is left alone."""
        if context.params.get("to") != "email":
            raise LookupError(f"{context.case.id}: fall_back knows no way but email")
        text = await context.connection.fetchrow(_TEXT, context.delivery_id)
        if text is None or text["status"] not in _ENDED_BADLY:
            return
        appointment = await find_appointment(context.connection, text["appointment_id"])
        assert appointment is not None
        if (useless := _useless(text, appointment)) is not None:
            await _say(context, "not_told_otherwise", {"reason": useless})
        elif (why_not := _why_not(appointment)) is not None:
            await _ask_front_desk(context, why_not)
        else:
            await _mail(context, desk(text["now"]), text, appointment)

    return fall_back


async def _mail(context: StepContext, desk: MailDesk, text: Any, appointment: Appointment) -> None:
    reminder = None
    if text["occasion"] == "reminder":
        reminder = Reminder(text["lead_min"], max(text["now"], text["due_at"]), text["expires_at"])
    written = await write_mail(
        context.connection,
        desk,
        appointment,
        text["occasion"],
        reminder,
        instead_of=context.delivery_id,
    )
    if written is None:
        await _ask_front_desk(context, "the practice has no e-mail credential")
    else:
        await _say(context, "told_by_mail", {"mail": str(written)})


def _useless(text: Any, appointment: Appointment) -> str | None:
    """Why the news need not be told any more, if so."""
    if text["mailed"]:
        return "it went by mail as well"
    if text["version"] != appointment.version:
        return "the appointment has changed since"
    return "its time has passed" if appointment.starts_at <= text["now"] else None


def _why_not(appointment: Appointment) -> str | None:
    if not appointment.reach.falls_back:
        return "the client wants no mail instead"
    return "no address is known" if appointment.client_email is None else None


async def _ask_front_desk(context: StepContext, why_not: str) -> None:
    """In the task that the case opens for them anyway, if it does: one trouble is one task."""
    own = next((step.params for step in context.case.steps if _asks_front_desk(step)), None)
    if own is None:
        await ask_role(context, {"for": _FRONT_DESK, "topic": "not_told"}, _NOT_TOLD)
    elif not await ask_role(context, own, f"{own['text']} {_CALL}"):
        await add_to_task(context, own.get("topic", context.case.id), _CALL)
    await _say(context, "not_told_otherwise", {"reason": f"{why_not}; the front desk has a task"})


def _asks_front_desk(step: Step) -> bool:
    return step.do == "open_task" and step.params.get("for", _FRONT_DESK) == _FRONT_DESK


async def _say(context: StepContext, kind: str, data: dict[str, str]) -> None:
    connection: Connection = context.connection
    await record(
        connection,
        kind,
        practice_id=context.practice_id,
        delivery_id=context.delivery_id,
        data=data,
        drill=context.drill,
    )
