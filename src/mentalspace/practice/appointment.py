"""Clients and appointments, as the practice keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.kernel.phi import Phi
from mentalspace.practice.reach import Reach
from mentalspace.practice.task import ADDRESS, PHONE, close_tasks


@dataclass(frozen=True, slots=True)
class NewAppointment:
    """An appointment with what is known of its client, who is made or brought up to date.

    None leaves a client's field as it is. `series` names the recurring event it is a date of.
    """

    external_id: str
    client_external_id: str
    client_name: Phi[str]
    client_email: Phi[str] | None
    client_phone: Phi[str] | None
    client_timezone: str | None
    client_language: str | None
    clinician_email: str | None
    starts_at: datetime
    duration_min: int
    status: str = "scheduled"
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment with what a mail about it needs. `timezone` is the client's, else the
    practice's; `rewrites` counts how often its mails were written anew under one `version`;
    `practice_notes` are the practice's own lines by language."""

    id: UUID
    practice_id: UUID
    client_id: UUID
    starts_at: datetime
    duration_min: int
    status: str
    version: int
    rewrites: int
    timezone: str
    language: str
    client_name: Phi[str]
    client_email: Phi[str] | None
    practice_name: str
    practice_phone: str | None
    practice_notes: Mapping[str, str]
    drill: str | None
    reach: Reach = field(default_factory=Reach)


_CLIENT = """
insert into client (practice_id, external_id, name, email, phone, timezone, language)
values ($1, $2, $3, $4, $5, $6, coalesce($7, 'en'))
on conflict (practice_id, external_id) do update set
  name = excluded.name, email = coalesce(excluded.email, client.email),
  phone = coalesce(excluded.phone, client.phone),
  timezone = coalesce(excluded.timezone, client.timezone),
  language = coalesce($7, client.language), updated_at = app.now()
returning id, email, phone, timezone, language
"""
_APPOINTMENT = """
select a.id, a.practice_id, a.client_id, a.starts_at, a.duration_min, a.status, a.version,
       a.rewrites, coalesce(c.timezone, p.timezone) as timezone, c.language, c.name,
       c.email, p.name as practice_name, p.phone as practice_phone, a.drill,
       (select coalesce(jsonb_object_agg(t.language, t.note), '{}') from practice_text t
         where t.practice_id = a.practice_id) as practice_notes,
       c.phone_e164 as number, c.phone_kind as kind, c.phone is not null as typed,
       c.reminders_by, c.changes_by, c.text_falls_back as falls_back,
       coalesce(r.texts, true) and exists (
         select from credential s where s.practice_id = a.practice_id and s.integration = 'sms'
            and s.active and s.drill is null) as texts,
       c.timezone as client_zone, p.timezone as practice_zone,
       coalesce(r.cancel_before_h, 24) as cancel_before_h
  from appointment a join client c on c.id = a.client_id join practice p on p.id = a.practice_id
  left join reminder_policy r on r.practice_id = a.practice_id
 where a.id = $1
"""


@dataclass(frozen=True, slots=True)
class SavedClient:
    """`moved` says that mails written before go to another address, or tell the hour in another
    zone or language."""

    id: UUID
    moved: bool


async def save_client(
    connection: Connection, practice_id: UUID, new: NewAppointment
) -> SavedClient:
    before = await connection.fetchrow(
        "select email, phone, timezone, language from client"
        " where practice_id = $1 and external_id = $2 for update",
        practice_id,
        new.client_external_id,
    )
    row = await connection.fetchrow(
        _CLIENT,
        practice_id,
        new.client_external_id,
        new.client_name.reveal(),
        _value(new.client_email),
        _value(new.client_phone),
        new.client_timezone,
        new.client_language,
    )
    assert row is not None
    moved = before is not None and tuple(before) != tuple(row)[1:]
    if before is not None and before["email"] != row["email"]:
        await close_tasks(connection, row["id"], ADDRESS)
    if before is not None and before["phone"] != row["phone"]:
        await close_tasks(connection, row["id"], PHONE)
    return SavedClient(row["id"], moved)


async def coming_appointments(connection: Connection, client_id: UUID) -> list[UUID]:
    """Those of a client whose reminders may still be written anew, the soonest first. They are
    locked, so that nobody moves one meanwhile."""
    rows = await connection.fetch(
        "select id from appointment where client_id = $1 and status = 'scheduled'"
        " and starts_at > app.now() order by starts_at for update",
        client_id,
    )
    return [row["id"] for row in rows]


async def insert_appointment(
    connection: Connection,
    practice_id: UUID,
    client_id: UUID,
    new: NewAppointment,
    drill: str | None = None,
) -> UUID | None:
    """The new row's id, or None if that external id is known already."""
    appointment_id: UUID | None = await connection.fetchval(
        "insert into appointment (practice_id, external_id, client_id, clinician_email, starts_at,"
        " duration_min, status, drill, series, rules_revision)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
        " coalesce((select revision from reminder_policy where practice_id = $1), 0))"
        " on conflict (practice_id, external_id) do nothing returning id",
        practice_id,
        new.external_id,
        client_id,
        new.clinician_email,
        new.starts_at,
        new.duration_min,
        new.status,
        drill,
        new.series,
    )
    return appointment_id


async def change_appointment(
    connection: Connection,
    appointment_id: UUID,
    *,
    starts_at: datetime,
    duration_min: int,
    status: str,
    cancelled_by: str | None = None,
) -> bool:
    """Whether anything a client must hear of has changed; its version rises only then, and what
    the client answered before counts no longer."""
    changed: bool | None = await connection.fetchval(
        "update appointment set starts_at = $2, duration_min = $3, status = $4,"
        " version = version + 1, confirmed_at = null, cancelled_by = $5, updated_at = app.now()"
        " where id = $1"
        " and (starts_at, duration_min, status) is distinct from ($2, $3, $4) returning true",
        appointment_id,
        starts_at,
        duration_min,
        status,
        cancelled_by,
    )
    return bool(changed)


async def find_appointment(connection: Connection, appointment_id: UUID) -> Appointment | None:
    row = await connection.fetchrow(_APPOINTMENT, appointment_id)
    return None if row is None else _appointment(row)


async def find_by_external_id(
    connection: Connection, practice_id: UUID, external_id: str
) -> Any | None:
    return await connection.fetchrow(
        "select id, starts_at, version, cancelled_by from appointment"
        " where practice_id = $1 and external_id = $2 for update",
        practice_id,
        external_id,
    )


def _appointment(row: Any) -> Appointment:
    values = dict(row)
    name, email = values.pop("name"), values.pop("email")
    reach = {each.name: values.pop(each.name) for each in fields(Reach) if each.name in values}
    reach["number"] = Phi(reach["number"]) if reach["number"] else None
    return Appointment(
        **values,
        client_name=Phi(name),
        client_email=Phi(email) if email else None,
        reach=Reach(**reach),
    )


def _value(phi: Phi[str] | None) -> str | None:
    return None if phi is None else phi.reveal()
