"""A practice's rules for reminders and cancelling, and what a client chose instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.practice.reminder import DEFAULT_LEADS, mistake_in_leads

CANCEL_BEFORE_H = 24
LONGEST_CANCEL_BEFORE_H = 336


class PolicyWrong(MentalSpaceError):
    """The rules cannot be used; the text says why, for whoever wrote them."""


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    """`texts` says that clients who chose so are texted; `waiting` of `coming` appointments still
    have reminders by earlier rules."""

    leads_min: tuple[int, ...]
    cancel_before_h: int
    texts: bool
    waiting: int
    coming: int


@dataclass(frozen=True, slots=True)
class ReminderChoice:
    """A client's own: whether at all, and which leads; None are the practice's."""

    enabled: bool
    leads_min: tuple[int, ...] | None


_READ = """
select r.leads_min, r.cancel_before_h, coalesce(r.texts, true) as texts, a.coming, a.waiting
  from (select count(*) as coming,
               count(*) filter (where a.rules_revision < coalesce(r.revision, 0)) as waiting
          from appointment a left join reminder_policy r on r.practice_id = a.practice_id
         where a.practice_id = $1 and a.status = 'scheduled' and a.starts_at > app.now()
           and a.drill is null) a
  left join reminder_policy r on r.practice_id = $1
"""
# The leads, and whether there are texts, make coming appointments' reminders out of date.
_SAVE = """
insert into reminder_policy as r (practice_id, leads_min, cancel_before_h, texts, revision)
values ($1, $2, $3, coalesce($4, true), 1)
on conflict (practice_id) do update set
  leads_min = excluded.leads_min, cancel_before_h = excluded.cancel_before_h,
  texts = coalesce($4, r.texts),
  revision = r.revision
    + case when (r.leads_min, r.texts) = (excluded.leads_min, coalesce($4, r.texts))
           then 0 else 1 end,
  changed_at = clock_timestamp(),
  rewritten_at = case when (r.leads_min, r.texts) = (excluded.leads_min, coalesce($4, r.texts))
                      then r.rewritten_at end
"""


async def read_policy(connection: Connection, practice_id: UUID) -> ReminderPolicy:
    row = await connection.fetchrow(_READ, practice_id)
    assert row is not None
    return ReminderPolicy(
        leads_min=DEFAULT_LEADS if row["leads_min"] is None else tuple(row["leads_min"]),
        cancel_before_h=(
            CANCEL_BEFORE_H if row["cancel_before_h"] is None else row["cancel_before_h"]
        ),
        texts=row["texts"],
        waiting=row["waiting"],
        coming=row["coming"],
    )


async def save_policy(
    connection: Connection,
    practice_id: UUID,
    leads_min: Sequence[int],
    cancel_before_h: int,
    *,
    texts: bool | None = None,
) -> None:
    """From now on; the worker rewrites what waits for coming appointments. None leaves it whether
    there are texts. Raises PolicyWrong."""
    if mistake := mistake_in_leads(leads_min):
        raise PolicyWrong(mistake)
    if not 0 <= cancel_before_h <= LONGEST_CANCEL_BEFORE_H:
        raise PolicyWrong(
            f"Cancelling can be closed from 0 to {LONGEST_CANCEL_BEFORE_H} hours before."
        )
    leads = sorted(leads_min, reverse=True)
    await connection.execute(_SAVE, practice_id, leads, cancel_before_h, texts)


async def read_choice(connection: Connection, client_id: UUID) -> ReminderChoice | None:
    """None if there is no such client."""
    row = await connection.fetchrow(
        "select reminders, reminder_leads from client where id = $1", client_id
    )
    return None if row is None else _choice(row)


async def save_choice(
    connection: Connection, client_id: UUID, choice: ReminderChoice
) -> ReminderChoice | None:
    """What it was before; None if there is no such client. Raises PolicyWrong."""
    if choice.leads_min is not None:
        if not choice.leads_min:
            raise PolicyWrong("Choose at least one time, or switch the reminders off.")
        if mistake := mistake_in_leads(choice.leads_min):
            raise PolicyWrong(mistake)
    row = await connection.fetchrow(
        "select reminders, reminder_leads from client where id = $1 for update", client_id
    )
    if row is None:
        return None
    leads = None if choice.leads_min is None else sorted(choice.leads_min, reverse=True)
    await connection.execute(
        "update client set reminders = $2, reminder_leads = $3, updated_at = app.now()"
        " where id = $1",
        client_id,
        choice.enabled,
        leads,
    )
    return _choice(row)


def _choice(row: Any) -> ReminderChoice:
    leads = row["reminder_leads"]
    return ReminderChoice(row["reminders"], None if leads is None else tuple(leads))
