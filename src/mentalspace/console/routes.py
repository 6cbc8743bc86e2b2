"""Which address shows which page, and to whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from mentalspace.console import (
    agreement,
    alerts,
    audit,
    calendar,
    client,
    cost,
    credential,
    day,
    dead_letters,
    decide,
    doctor,
    document_mark,
    document_removed,
    documents,
    drill,
    error,
    figures,
    fleet,
    former,
    game_day,
    hours,
    incident,
    incident_paper,
    mail_templates,
    message,
    morning,
    oncall,
    payload,
    portal,
    remedy,
    reminder_rules,
    runbook,
    second_factor,
    suppressed,
    test_mode,
    text_templates,
    texts,
    ticket,
    week,
)
from mentalspace.console.access import AccessPages
from mentalspace.console.client_link import ClientLinks
from mentalspace.console.document_link import DocumentLinks
from mentalspace.console.door import Door, Missing, StartDrill, StartGameDay, Visit
from mentalspace.console.notice_page import NoticePage
from mentalspace.console.sign_in import SignIn
from mentalspace.console.text_sign_in import TextSignIn
from mentalspace.console.view import Templates
from mentalspace.console.web_files import WebFiles
from mentalspace.engine.services import Services
from mentalspace.practice.identity import Permission


def router(
    services: Services,
    *,
    start_drill: StartDrill | None,
    start_game_day: StartGameDay | None = None,
    shown_password: str | None = None,
) -> APIRouter:
    """Every page and, under /static, their style and scripts.

    `start_drill(drill id, who)` starts one in the background and gives the run's id; None
    leaves the button out, as it does of `start_game_day`. `shown_password` is the demo's
    printed one, for the log-in page.
    """
    routes = APIRouter()
    web = WebFiles()
    web.serve(routes)
    templates = Templates(services, web)
    SignIn(services, templates, shown_password).serve(routes)
    TextSignIn(services, templates).serve(routes)
    AccessPages(services, templates).serve(routes)
    ClientLinks(services, templates).serve(routes)
    DocumentLinks(services, templates).serve(routes)
    NoticePage(services, templates).serve(routes)
    door = Door(services, templates, start_drill, start_game_day)
    for path, handler, needs in _PAGES:
        door.page(routes, path, handler, needs=needs)
    for path, handler, needs in _CHANGES:
        door.page(routes, path, handler, needs=needs, method="POST")
    for path, handler, needs in _CLIENT_PAGES:
        door.page(routes, path, handler, needs=needs, for_clients=True)
    for path, handler, needs in _FILES:
        door.page(
            routes,
            path,
            handler,
            needs=needs,
            method="POST",
            for_clients=path.startswith("/portal"),
            is_read_by_handler=True,
        )
    return routes


async def _sandbox(visit: Visit) -> Response:
    settings = visit.services.settings
    if settings.is_production:
        raise Missing
    rooms = [(name, room.title) for name, room in visit.services.rooms.items()]
    return await visit.show(
        "sandbox.html",
        url=settings.sandbox_url,
        rooms=rooms,
        hours=decide.CLOCK_HOURS,
        moved=visit.query("done") == "moved",
    )


Handler = Callable[[Visit], Awaitable[Response]]

_PAGES: tuple[tuple[str, Handler, Permission | None], ...] = (
    ("/", fleet.home, None),
    ("/hours", hours.hours, "incidents.read"),
    ("/incidents", incident.incidents, "incidents.read"),
    ("/incidents/{id}", incident.incident, "incidents.read"),
    ("/tickets", ticket.tickets, "incidents.read"),
    ("/incidents/{id}/acts/bring_back", former.ask_at_incident, "incidents.act"),
    ("/incidents/{id}/acts/test_mode_off", test_mode.ask, "incidents.act"),
    ("/incidents/{id}/acts/{name}", remedy.ask, "incidents.act"),
    ("/credentials/{id}/acts/bring_back", former.ask_at_credential, "incidents.act"),
    ("/credentials/{id}", credential.credential, "incidents.act"),
    ("/incidents/{id}/post-mortem.md", incident_paper.markdown, "incidents.act"),
    ("/incidents/{id}/post-mortem.pdf", incident_paper.pdf, "incidents.act"),
    ("/alerts", alerts.alerts, "incidents.read"),
    ("/alerts/silence", alerts.ask, "incidents.act"),
    ("/alerts/rules/{rule}", alerts.rule, "incidents.read"),
    ("/doctor", doctor.first, "incidents.read"),
    ("/doctor/{room}", doctor.doctor, "incidents.read"),
    ("/messages", message.messages, "deliveries.read"),
    ("/messages/figures", figures.figures, "deliveries.read"),
    ("/messages/figures/week", week.week, "deliveries.read"),
    ("/messages/figures/cost", cost.cost, "deliveries.read"),
    ("/messages/{id}", message.message, "deliveries.read"),
    ("/errors", error.errors, "deliveries.read"),
    ("/dead-letters", dead_letters.dead_letters, "deliveries.read"),
    ("/suppressed", suppressed.suppressed, "deliveries.decide"),
    ("/runbook", runbook.runbook, "runbooks.read"),
    ("/runbook/issues/{id}", runbook.issue, "runbooks.read"),
    ("/runbook/{id}", runbook.case, "runbooks.read"),
    ("/drills", drill.drills, "drills.run"),
    ("/drills/{id:path}", drill.run, "drills.run"),
    ("/game-days", game_day.game_days, "drills.run"),
    ("/game-days/{id}", game_day.game_day, "drills.run"),
    ("/game-days/{id}/{file}", game_day.download, "drills.run"),
    ("/morning", morning.morning, "morning.read"),
    ("/appointments", day.appointments, "appointments.read"),
    ("/clients", day.clients, "clients.read"),
    ("/clients/{id}", client.client, "clients.read"),
    ("/clients/{id}/documents", documents.documents, "clients.read"),
    ("/clients/{id}/documents/removed", document_removed.removed, "clients.read"),
    ("/clients/{id}/documents/removed/{version}/content", document_removed.content, "clients.read"),
    ("/clients/{id}/documents/{document}", documents.document, "clients.read"),
    ("/clients/{id}/documents/{document}/content", documents.content, "clients.read"),
    ("/clients/{id}/texts", texts.of_client, "texts.read"),
    ("/texts", texts.threads, "texts.read"),
    ("/texts/{key}", texts.nameless, "texts.read"),
    ("/settings/reminders", reminder_rules.rules, "reminders.read"),
    ("/tasks", day.tasks, "tasks.read"),
    ("/imports", calendar.imports, "imports.write"),
    ("/imports/rows/{id}", calendar.row, "imports.write"),
    ("/templates", mail_templates.templates, "mails.preview"),
    ("/templates/texts", text_templates.text_templates, "mails.preview"),
    ("/templates/preview", mail_templates.preview, "mails.preview"),
    ("/sandbox", _sandbox, "sandbox.use"),
    ("/second-factor", second_factor.state, None),
    ("/second-factor/qr.svg", second_factor.picture, None),
    ("/agreements", agreement.agreements, "agreements.read"),
    ("/audit", audit.audit, "audit.read"),
    ("/audit.csv", audit.export, "audit.read"),
    ("/payloads/{what}/{id}", payload.payload, "payloads.open"),
    ("/people", second_factor.people, "people.write"),
    ("/on-call", oncall.oncall, "incidents.read"),
)
_CLIENT_PAGES: tuple[tuple[str, Handler, Permission | None], ...] = (
    ("/portal", portal.portal, "appointments.read"),
    ("/portal/documents", documents.documents, "appointments.read"),
    ("/portal/documents/{document}", documents.document, "appointments.read"),
    ("/portal/documents/{document}/content", documents.content, "appointments.read"),
)
# Forms that carry a file of any size.
_FILES: tuple[tuple[str, Handler, Permission | None], ...] = (
    ("/documents/add/{id}/{shelf}", documents.add, "clients.read"),
    ("/portal/documents/add/{shelf}", documents.add, "appointments.read"),
)
_CHANGES: tuple[tuple[str, Handler, Permission | None], ...] = (
    ("/incidents/{id}/acknowledge", incident.take, "incidents.act"),
    ("/incidents/{id}/resolve", incident.close, "incidents.act"),
    ("/incidents/steps/{id}/done", ticket.tick, "incidents.act"),
    ("/tickets/{id}/close", ticket.close, "incidents.act"),
    ("/incidents/{id}/acts/bring_back", former.do_at_incident, "incidents.act"),
    ("/incidents/{id}/acts/test_mode_off", test_mode.do, "incidents.act"),
    ("/incidents/{id}/acts/{name}", remedy.do, "incidents.act"),
    ("/credentials/{id}/acts/bring_back", former.do_at_credential, "incidents.act"),
    ("/credentials/{id}/former/forget", former.wipe, "incidents.act"),
    ("/credentials/{id}/acts/{name}", credential.do, "incidents.act"),
    ("/credentials/{id}/secret", credential.enter, "incidents.act"),
    ("/on-call/test", oncall.test, "oncall.write"),
    ("/on-call/overrides", oncall.override, "oncall.write"),
    ("/on-call/overrides/{id}/end", oncall.end_override, "oncall.write"),
    ("/incidents/{id}/archive", incident.put_away, "incidents.act"),
    ("/incidents/{id}/unarchive", incident.take_out, "incidents.act"),
    ("/alerts/silences", alerts.silence, "incidents.act"),
    ("/alerts/silences/{id}/lift", alerts.lift, "incidents.act"),
    ("/dead-letters/again", dead_letters.send_ended, "deliveries.decide"),
    ("/dead-letters/replay", dead_letters.replay, "deliveries.decide"),
    ("/dead-letters/close", dead_letters.close, "deliveries.decide"),
    ("/dead-letters/stop", dead_letters.stop, "deliveries.decide"),
    ("/dead-letters/ask", dead_letters.ask, "deliveries.decide"),
    ("/dead-letters/put-away", dead_letters.seen_to, "deliveries.decide"),
    ("/suppressed/{id}/lift", suppressed.lift, "deliveries.decide"),
    ("/messages/{id}/release", decide.send_after_all, "deliveries.decide"),
    ("/messages/{id}/again", decide.once_more, "deliveries.decide"),
    ("/messages/{id}/give-up", decide.do_not_send, "deliveries.decide"),
    ("/messages/{id}/mark-sent", decide.was_sent, "deliveries.decide"),
    ("/payloads/{what}/{id}", payload.open_it, "payloads.open"),
    ("/sandbox/clock", decide.move_clock, "sandbox.use"),
    ("/drills", drill.start, "drills.run"),
    ("/game-days", game_day.start, "drills.run"),
    ("/game-days/{id}/stop", game_day.stop, "drills.run"),
    ("/clients/{id}/invite", day.invite_to_portal, "clients.write"),
    ("/morning/{id}/told", morning.told, "morning.read"),
    ("/morning/{id}/reach", morning.put_right, "clients.write"),
    ("/morning/{id}/retry", morning.retry, "deliveries.decide"),
    ("/tasks/{id}/done", day.finish, "tasks.write"),
    ("/clients/{id}/reminders", client.choose, "clients.write"),
    ("/clients/{id}/reach", client.put_right, "clients.write"),
    ("/clients/{id}/texts", texts.reply_to_client, "texts.write"),
    ("/clients/{id}/documents/label", document_mark.mark_client, "clients.write"),
    ("/clients/{id}/documents/unlabel", document_mark.unmark_client, "clients.write"),
    ("/clients/{id}/documents/removed/{version}/restore", document_removed.restore, "clients.read"),
    ("/clients/{id}/documents/{document}/label", document_mark.mark, "clients.read"),
    ("/clients/{id}/documents/{document}/unlabel", document_mark.unmark, "clients.read"),
    ("/texts/{key}", texts.reply_to_nameless, "texts.write"),
    ("/clients/{id}/consent", client.told, "consent.write"),
    ("/clients/{id}/channels", client.choose_by, "consent.write"),
    ("/settings/reminders", reminder_rules.save, "reminders.write"),
    ("/imports", calendar.upload, "imports.write"),
    ("/imports/rows/{id}/correct", calendar.correct, "imports.write"),
    ("/templates/line", mail_templates.save, "mails.preview"),
    ("/imports/rows/{id}/discard", calendar.discard, "imports.write"),
    ("/agreements", agreement.record, "agreements.write"),
    ("/agreements/{id}/revoke", agreement.revoke, "agreements.write"),
    ("/second-factor", second_factor.change, None),
    ("/people/{id}/reset-second-factor", second_factor.reset, "people.write"),
)
