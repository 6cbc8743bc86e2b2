"""Reminders: the practice's rules, and what a client chose instead, by mail or by text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.db import Connection
from mentalspace.practice.channels import ChannelChoice, Channels, read_channels
from mentalspace.practice.consent import LONGEST_NOTE
from mentalspace.practice.reach import By
from mentalspace.practice.reminder import MOST_LEADS
from mentalspace.practice.reminder_policy import (
    PolicyWrong,
    ReminderChoice,
    read_choice,
    read_policy,
    save_policy,
)
from mentalspace.workflows.client_channels import choose_channels
from mentalspace.workflows.client_consent import WishNotKept
from mentalspace.workflows.reminder_rules import ClientUnknown, choose_reminders

routes = APIRouter(tags=["reminders"])

Lead = Annotated[int, Field(strict=True, description="Minutes; whole days by the client's clock.")]
Leads = Annotated[list[Lead], Field(max_length=MOST_LEADS)]


class Rules(Body):
    """`leads_min` are minutes before an appointment, `cancel_before_h` hours: later than that a
    client can no longer cancel by a mail's link. `texts` switches all texts about appointments
    on or off; left out, it stays as it is."""

    leads_min: Leads
    cancel_before_h: Annotated[int, Field(strict=True)]
    texts: Annotated[bool, Field(strict=True)] | None = None


class RulesNow(Out):
    """`waiting` of `coming` appointments still have reminders by earlier rules."""

    leads_min: list[int]
    cancel_before_h: int
    texts: bool
    waiting: int
    coming: int


class Choice(Body):
    """`leads_min` null means the practice's."""

    enabled: Annotated[bool, Field(strict=True)]
    leads_min: Leads | None


class ChoiceNow(Out):
    enabled: bool
    leads_min: list[int] | None


class NewChannels(Body):
    """`text_falls_back` allows a mail in place of a text that does not arrive. Texts need that the
    client agreed: `agreed` says who did, and how, and goes into the consent ledger."""

    reminders_by: By
    changes_by: By
    text_falls_back: Annotated[bool, Field(strict=True)] = True
    agreed: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class ChannelsNow(Out):
    """`agreed_at` is when somebody first wrote down that the client agreed to texts. A number of
    `phone_kind` landline, or with a `phone_problem`, takes none."""

    reminders_by: By
    changes_by: By
    text_falls_back: bool
    agreed_at: datetime | None
    phone_kind: str | None
    phone_problem: str | None


@routes.get("/v1/reminders", summary="The practice's rules for reminders")
async def rules(visit: Annotated[Visit, allowed("reminders.read")]) -> RulesNow:
    async with visit.reading() as connection:
        return await _rules(connection, visit)


@routes.put("/v1/reminders", summary="New rules")
async def change_rules(visit: Annotated[Visit, allowed("reminders.write")], new: Rules) -> RulesNow:
    """For bookings at once; coming appointments follow in the background, see `waiting`."""
    async with visit.reading() as connection:
        try:
            await save_policy(
                connection,
                visit.practice_id,
                new.leads_min,
                new.cancel_before_h,
                texts=new.texts,
            )
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


@routes.get("/v1/clients/{client_id}/channels", summary="By mail or by text", responses={404: {}})
async def channels(
    visit: Annotated[Visit, allowed("clients.read")], client_id: UUID
) -> ChannelsNow:
    async with visit.reading() as connection:
        found = await read_channels(connection, client_id)
        await visit.note(connection, "client.read", client_id)
    if found is None:
        raise not_found()
    return _channels(found)


@routes.put(
    "/v1/clients/{client_id}/channels",
    summary="A client chooses mails, texts or both",
    responses={404: {}},
)
async def choose_by(
    visit: Annotated[Visit, allowed("consent.write")], client_id: UUID, new: NewChannels
) -> ChannelsNow:
    """For what is written from now on; reminders that wait follow in the same transaction."""
    wanted = ChannelChoice(new.reminders_by, new.changes_by, new.text_falls_back)
    try:
        await choose_channels(
            visit.services,
            visit.person.claims(),
            client_id,
            wanted,
            agreed=new.agreed,
            name=visit.actor,
        )
    except ClientUnknown as error:
        raise not_found() from error
    except WishNotKept as error:
        raise Problem(422, error.code, str(error)) from error
    return await channels(visit, client_id)


def _channels(found: Channels) -> ChannelsNow:
    return ChannelsNow(
        reminders_by=found.choice.reminders_by,
        changes_by=found.choice.changes_by,
        text_falls_back=found.choice.falls_back,
        agreed_at=found.agreed_at,
        phone_kind=found.kind,
        phone_problem=found.problem,
    )


async def _rules(connection: Connection, visit: Visit) -> RulesNow:
    policy = await read_policy(connection, visit.practice_id)
    return RulesNow(
        leads_min=list(policy.leads_min),
        cancel_before_h=policy.cancel_before_h,
        texts=policy.texts,
        waiting=policy.waiting,
        coming=policy.coming,
    )


def _choice(choice: ReminderChoice) -> ChoiceNow:
    return ChoiceNow(
        enabled=choice.enabled,
        leads_min=None if choice.leads_min is None else list(choice.leads_min),
    )
