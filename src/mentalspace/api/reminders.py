"""Reminders: the practice's rules, and what a client chose instead."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.practice.reminder import MOST_LEADS
from mentalspace.practice.reminder_policy import (
    PolicyWrong,
    ReminderChoice,
    read_choice,
    read_policy,
    save_policy,
)
from mentalspace.workflows.reminder_rules import ClientUnknown, choose_reminders

routes = APIRouter(tags=["reminders"])

Lead = Annotated[int, Field(strict=True, description="Minutes; whole days by the client's clock.")]
Leads = Annotated[list[Lead], Field(max_length=MOST_LEADS)]


class Rules(Body):
    """`leads_min` are minutes before an appointment, `cancel_before_h` hours: later than that a
    client can no longer cancel by a mail's link."""

    leads_min: Leads
    cancel_before_h: Annotated[int, Field(strict=True)]


class RulesNow(Out):
    """`waiting` of `coming` appointments still have reminders by earlier rules."""

    leads_min: list[int]
    cancel_before_h: int
    waiting: int
    coming: int


class Choice(Body):
    """`leads_min` null means the practice's."""

    enabled: Annotated[bool, Field(strict=True)]
    leads_min: Leads | None


class ChoiceNow(Out):
    enabled: bool
    leads_min: list[int] | None


@routes.get("/v1/reminders", summary="The practice's rules for reminders")
async def rules(visit: Annotated[Visit, allowed("reminders.read")]) -> RulesNow:
    async with visit.reading() as connection:
        return await _rules(connection, visit)


@routes.put("/v1/reminders", summary="New rules")
async def change_rules(visit: Annotated[Visit, allowed("reminders.write")], new: Rules) -> RulesNow:
    """For bookings at once; coming appointments follow in the background, see `waiting`."""
    async with visit.reading() as connection:
        try:
            await save_policy(connection, visit.practice_id, new.leads_min, new.cancel_before_h)
        except PolicyWrong as error:
            raise Problem(422, "reminders_wrong", str(error)) from error
        now = await _rules(connection, visit)
        await visit.note(connection, "reminders.changed")
    return now


@routes.get("/v1/clients/{client_id}/reminders", summary="What a client chose", responses={404: {}})
async def choice(visit: Annotated[Visit, allowed("clients.read")], client_id: UUID) -> ChoiceNow:
    async with visit.reading() as connection:
        found = await read_choice(connection, client_id)
        await visit.note(connection, "client.read", client_id)
    if found is None:
        raise not_found()
    return _choice(found)


@routes.put("/v1/clients/{client_id}/reminders", summary="A client chooses", responses={404: {}})
async def choose(
    visit: Annotated[Visit, allowed("clients.write")], client_id: UUID, new: Choice
) -> ChoiceNow:
    """What waits for them follows in the same transaction. Twice changes nothing."""
    wanted = ReminderChoice(
        new.enabled, None if new.leads_min is None else tuple(sorted(new.leads_min, reverse=True))
    )
    try:
        changed = await choose_reminders(visit.services, visit.person.claims(), client_id, wanted)
    except ClientUnknown as error:
        raise not_found() from error
    except PolicyWrong as error:
        raise Problem(422, "reminders_wrong", str(error)) from error
    if changed:
        async with visit.reading() as connection:
            await visit.note(connection, "client.reminders_changed", client_id)
    return _choice(wanted)


async def _rules(connection: Connection, visit: Visit) -> RulesNow:
    policy = await read_policy(connection, visit.practice_id)
    return RulesNow(
        leads_min=list(policy.leads_min),
        cancel_before_h=policy.cancel_before_h,
        waiting=policy.waiting,
        coming=policy.coming,
    )


def _choice(choice: ReminderChoice) -> ChoiceNow:
    return ChoiceNow(
        enabled=choice.enabled,
        leads_min=None if choice.leads_min is None else list(choice.leads_min),
    )
