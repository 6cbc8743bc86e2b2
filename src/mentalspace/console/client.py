"""A client's page: how they are reached, what they chose, their appointments and every message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.consent import Form, consent_of, keep
from mentalspace.console.day import shown_appointment, suppressed
from mentalspace.console.door import Missing, Visit
from mentalspace.console.lead_form import UNITS, LeadRow, leads_of, rows_of, sent_rows
from mentalspace.console.queries.practice import find_client, read_appointments_of
from mentalspace.console.reach import keep_reach, reach_said
from mentalspace.console.reminder_rules import NOT_A_NUMBER
from mentalspace.practice.audit import note
from mentalspace.practice.channels import ChannelChoice, read_channels
from mentalspace.practice.consent import LONGEST_NOTE
from mentalspace.practice.reach import BYS, By
from mentalspace.practice.reminder_policy import (
    PolicyWrong,
    ReminderChoice,
    read_choice,
    read_policy,
)
from mentalspace.workflows.client_channels import choose_channels
from mentalspace.workflows.client_consent import WishNotKept
from mentalspace.workflows.reminder_rules import ClientUnknown, choose_reminders

APPOINTMENTS = 100
_DONE = {
    "saved": "Saved. What waits for this client follows it already.",
    "told": "Kept. It holds from now on.",
}


async def client(visit: Visit) -> Response:
    return await _page(visit, visit.id(), done=_DONE.get(visit.query("done")))


async def put_right(visit: Visit) -> Response:
    """The client's address, number or both."""
    client_id = visit.id()
    tone, text = reach_said(await keep_reach(visit, client_id)) or ("bad", "Nothing was saved.")
    if tone != "bad":
        return await _page(visit, client_id, reached=(tone, text))
    sent = {name: visit.field(name) for name in ("email", "phone")}
    return await _page(visit, client_id, reached=(tone, text), sent=sent)


async def told(visit: Visit) -> Response:
    """What the client told whoever sends this about being written to."""
    client_id = visit.id()
    try:
        form = await keep(visit, client_id)
    except ClientUnknown as error:
        raise Missing from error
    if form is not None:
        return await _page(visit, client_id, consent=form)
    return visit.go(f"/clients/{client_id}?done=told")


async def choose(visit: Visit) -> Response:
    client_id, rows, kind = visit.id(), sent_rows(visit.field), visit.field("kind")
    leads = leads_of(rows) if kind == "own" else []
    if leads is None:
        return await _page(visit, client_id, problem=NOT_A_NUMBER, kind=kind, rows=rows)
    own = tuple(sorted(leads, reverse=True)) if kind == "own" else None
    try:
        changed = await choose_reminders(
            visit.services, visit.person.claims(), client_id, ReminderChoice(kind != "none", own)
        )
    except ClientUnknown as error:
        raise Missing from error
    except PolicyWrong as error:
        return await _page(visit, client_id, problem=str(error), kind=kind, rows=rows)
    if changed:
        async with visit.reading() as connection:
            await note(
                connection,
                str(visit.person.user_id),
                "client.reminders_changed",
                practice_id=visit.person.practice_id,
                subject=client_id,
            )
    return visit.go(f"/clients/{client_id}?done=saved")


async def choose_by(visit: Visit) -> Response:
    """Mails, texts or both, with the agreement that texts need."""
    client_id = visit.id()
    sent = {name: visit.field(name) for name in ("reminders_by", "changes_by", "agreed")}
    by: Mapping[str, By] = {each: each for each in BYS}
    try:
        choice = ChannelChoice(
            by[sent["reminders_by"]], by[sent["changes_by"]], visit.field("falls_back") == "1"
        )
    except KeyError as error:
        raise Missing from error
    try:
        await choose_channels(
            visit.services,
            visit.person.claims(),
            client_id,
            choice,
            agreed=sent["agreed"],
            name=visit.person.name,
        )
    except ClientUnknown as error:
        raise Missing from error
    except WishNotKept as error:
        return await _page(visit, client_id, not_by=str(error), choice=choice, agreed=sent)
    return visit.go(f"/clients/{client_id}?done=saved")


async def _page(
    visit: Visit,
    client_id: UUID,
    *,
    done: str | None = None,
    problem: str | None = None,
    not_by: str | None = None,
    choice: ChannelChoice | None = None,
    agreed: Mapping[str, str] | None = None,
    kind: str | None = None,
    rows: Sequence[LeadRow] | None = None,
    consent: Form | None = None,
    reached: tuple[str, str] | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    assert visit.person.practice_id is not None
    async with visit.reading() as connection:
        found = await find_client(connection, client_id)
        reminders = await read_choice(connection, client_id)
        channels = await read_channels(connection, client_id)
        if found is None or reminders is None or channels is None:
            raise Missing
        policy = await read_policy(connection, visit.person.practice_id)
        appointments = await read_appointments_of(connection, client_id, APPOINTMENTS)
        now = await connection.fetchval("select app.now()")
        written = await consent_of(visit, connection, client_id)
        listed = await suppressed(visit, connection, {client_id: found["email"]})
    await visit.note_reading("client.read", client_id)
    shown = [shown_appointment(row) for row in appointments]
    chosen = "none" if not reminders.enabled else "own" if reminders.leads_min else "practice"
    return await visit.show(
        "client.html",
        http=200 if not any((problem, not_by, consent, sent)) else 422,
        client=found,
        channels=channels,
        choice=choice or channels.choice,
        agreed=(agreed or {}).get("agreed", ""),
        longest_note=LONGEST_NOTE,
        may_agree=visit.person.may("consent.write"),
        not_by=not_by,
        suppression=listed.get(client_id),
        consent=written,
        consent_form=consent or Form(),
        leads_min=(reminders.leads_min or policy.leads_min) if reminders.enabled else (),
        policy=policy,
        coming=[a for a in reversed(shown) if a["starts_at"] > now],
        past=[a for a in shown if a["starts_at"] <= now],
        most=APPOINTMENTS,
        kind=kind or chosen,
        rows=rows_of(reminders.leads_min or ()) if rows is None else rows,
        units=UNITS,
        may_change=visit.person.may("clients.write"),
        done=done,
        problem=problem,
        reached=reached,
        sent=sent or {"email": found["email"] or "", "phone": found["phone"] or ""},
        reach_open=sent is not None,
    )
