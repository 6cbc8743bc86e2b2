"""A visit to the console: who asks, as whom the database is read, and how a page is answered."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.stuck import STUCK, stuck_page
from mentalspace.console.view import Templates
from mentalspace.engine.alarm import read_alarm
from mentalspace.engine.db import LOOKING_WAITS_S, Connection
from mentalspace.engine.replay import count_for_a_person
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused
from mentalspace.practice.audit import note
from mentalspace.practice.break_glass import Opening, standing_openings
from mentalspace.practice.identity import (
    SESSION_COOKIE,
    Permission,
    Person,
    csrf_holds,
    person_of,
)
from mentalspace.practice.not_reached import DAYS, count_unreached, last_instant
from mentalspace.practice.text_message import count_unread

# Whoever must set up a second factor finds every other door leading here.
ENROL = "/second-factor"

StartDrill: TypeAlias = Callable[[str, str], Awaitable[str]]
# Who holds it, of which rooms, and how many ordinary messages a minute meanwhile; its id.
StartGameDay: TypeAlias = Callable[[str, list[str], float], Awaitable[str]]

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none';"
        " form-action 'self'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    # Pages hold clients' names: no copy stays behind on a shared machine.
    "cache-control": "no-store",
}


_NOT_FOR = {
    True: "The console is for the practice’s staff.",
    False: "This page is for the practice’s clients.",
}
# Whoever it is, they are not known, so nothing of the database's insides is said.
_WHO_IS_STUCK = (
    "Something holds up the database: who you are cannot be read. Your work is kept. Wait a"
    " minute, then look again. Whoever is on call sees and takes incidents meanwhile on the"
    " house’s own computer: mentalspace incident list, mentalspace incident acknowledge."
)


class Missing(Exception):
    """There is no such thing, or not for this person."""


class Forbidden(Exception):
    """The person may not do this; the text says why, in words for them."""


@dataclass(frozen=True, slots=True)
class Door:
    """What every page needs, handed over once."""

    services: Services
    templates: Templates
    start_drill: StartDrill | None
    start_game_day: StartGameDay | None = None

    def page(
        self,
        router: APIRouter,
        path: str,
        handler: Callable[[Visit], Awaitable[Response]],
        *,
        needs: Permission | None,
        method: str = "GET",
        for_clients: bool = False,
        is_read_by_handler: bool = False,
    ) -> None:
        """Serve `path` to staff and on-call who have the permission, or to clients alone; a POST
        must carry the session's token. A handler that takes the body in piece by piece asks for
        the token itself."""

        async def endpoint(request: Request) -> Response:
            try:
                person = await person_of(
                    self.services.database, request.cookies.get(SESSION_COOKIE) or ""
                )
            except STUCK:
                return Response(_WHO_IS_STUCK, 503, {**HEADERS, "retry-after": "5"}, "text/plain")
            if person is None:
                return _to_login(request)
            visit = Visit(self, request, person)
            if person.must_enrol and not path.startswith(ENROL):
                return visit.go(ENROL)
            try:
                if person.role == "client" and path == "/":
                    return visit.go("/portal")
                if (person.role == "client") != for_clients:
                    raise Forbidden(_NOT_FOR[person.role == "client"])
                if needs is not None and not person.may(needs):
                    raise Forbidden("Your role does not include this page.")
                if request.method == "POST" and not is_read_by_handler:
                    await visit.read_form()
                return await handler(visit)
            except Missing:
                return await visit.show("missing.html", http=404)
            except Forbidden as error:
                return await visit.show("forbidden.html", http=403, text=str(error))
            except Refused as error:
                return await visit.show("forbidden.html", http=403, text=str(error))
            except STUCK:
                return await visit.show_stuck()
            finally:
                await visit.form.close()

        router.add_route(path, endpoint, methods=[method], include_in_schema=False)


class Visit:
    """One request of one signed-in person."""

    def __init__(self, door: Door, request: Request, person: Person) -> None:
        self.services = door.services
        self.start_drill = door.start_drill
        self.start_game_day = door.start_game_day
        self.request = request
        self.person = person
        self.form = FormData()
        self._templates = door.templates

    @property
    def is_oncall(self) -> bool:
        return self.person.role == "oncall"

    @property
    def is_fragment(self) -> bool:
        """A refresh by the page itself rather than somebody opening it."""
        return "fragment" in self.request.query_params

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """The database as this person may see it: on-call names nobody, staff see their own."""
        database = self.services.database
        # Who changes something waits for whoever changes it too; who looks does not.
        waits_s = LOOKING_WAITS_S if self.request.method == "GET" else 0.0
        context = (
            database.as_oncall(self.person.claims())
            if self.is_oncall
            else database.as_user(self.person.claims(), waits_s)
        )
        async with context as connection:
            yield connection

    def provider_title(self, integration: str, provider: str | None) -> str:
        return self._templates.provider_title(integration, provider)

    async def note_reading(self, what: str, subject: UUID | None = None) -> None:
        """Write down that staff looked at clients' data; a page refreshing itself counts once.

        `what` names the page, `subject` what it showed, never a person's name.
        """
        if self.is_fragment or self.person.practice_id is None:
            return
        async with self.reading() as connection:
            await note(
                connection,
                str(self.person.user_id),
                what,
                practice_id=self.person.practice_id,
                subject=subject,
            )

    def id(self, name: str = "id") -> UUID:
        """A path parameter as an id; whatever is not one is Missing."""
        try:
            return UUID(str(self.request.path_params[name]))
        except ValueError as error:
            raise Missing from error

    def query(self, name: str) -> str:
        return self.request.query_params.get(name, "")

    def field(self, name: str) -> str:
        return field_of(self.form, name)

    async def read_form(self) -> None:
        """Raises Forbidden unless the form came from a page of this session."""
        self.form = await self.request.form(max_files=1, max_part_size=2**21)
        if not csrf_holds(self.person, self.field("csrf")):
            raise Forbidden("The form was not sent from this session. Open the page and try again.")

    def go(self, url: str) -> Response:
        """After a change: the page that shows it, so that a reload repeats nothing."""
        return RedirectResponse(url, 303, headers=dict(HEADERS))

    async def show(self, template: str, *, http: int = 200, **values: Any) -> Response:
        frame = await self._frame()
        text = self._templates.render(
            template, frame, {"person": self.person, "visit": self, **frame, **values}
        )
        return answer(self.request, text, http, frame["now"])

    async def show_stuck(self) -> Response:
        """In place of a page that has waited for the database too long."""
        changes = self.request.method != "GET"
        where = self.request.url.path
        text, now = await stuck_page(
            self.services.database,
            self._templates,
            self.person,
            where,
            is_change=changes,
            about=_incident_of(where),
            done=self.query("done"),
        )
        return answer(self.request, text, 503, now, {"retry-after": "5"})

    async def _frame(self) -> dict[str, Any]:
        """What every page carries: the hour, the zone it is told in, and what calls for help."""
        person = self.person
        async with self.reading() as connection:
            row = await connection.fetchrow(
                "select app.now() as now,"
                " (select timezone from practice where id = $1) as zone,"
                " case when $2 then i.number end as open_incidents, i.lasting as lasting_incidents,"
                " case when $2 then (select count(*) from incident_task t"
                "   join incident i on i.id = t.incident_id where t.kind = 'ticket'"
                "   and t.done_at is null and i.drill is null) end as open_tickets"
                "  from (select count(*) as number,"
                "               count(*) filter (where recovered_at is null) as lasting"
                "          from incident i where $2"
                "           and status <> 'resolved' and drill is null and archived_at is null"
                "           and not exists (select from incident l where l.id = i.lead_id)) i",
                person.practice_id,
                person.may("incidents.read"),
            )
            tasks = None
            if person.may("tasks.read"):
                tasks = await connection.fetchval("select count(*) from task where state = 'open'")
            alarm = None if person.role == "client" else await read_alarm(connection)
            openings: list[Opening] = []
            if person.may("payloads.open"):
                openings = await standing_openings(connection)
            to_call, unread_texts, dead_letters = None, None, None
            if person.may("deliveries.decide"):
                dead_letters = await count_for_a_person(connection)
            if person.practice_id is not None and person.may("texts.read"):
                unread_texts = await count_unread(connection, person.practice_id)
            if row is not None and person.practice_id is not None and person.may("morning.read"):
                until = last_instant(row["now"], row["zone"], DAYS)
                to_call = await count_unreached(connection, person.practice_id, until)
        assert row is not None
        return {
            "now": row["now"],
            "zone": row["zone"] or "UTC",
            "open_incidents": row["open_incidents"],
            "lasting_incidents": row["lasting_incidents"],
            "open_tickets": row["open_tickets"],
            "open_tasks": tasks,
            "alarm": alarm,
            "openings": openings,
            "to_call": to_call,
            "dead_letters": dead_letters,
            "unread_texts": unread_texts,
            "path": self.request.url.path,
            "is_fragment": self.is_fragment,
            "is_demo": not self.services.settings.is_production,
        }


def answer(
    request: Request,
    text: str,
    http: int,
    now: datetime,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page under the strict policy; unchanged since the last look, it is only said so."""
    body = text.encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    common = {**HEADERS, "etag": tag, "x-now": now.isoformat(), **(headers or {})}
    if http == 200 and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=common)
    return Response(body, http, common, "text/html; charset=utf-8")


def field_of(form: FormData, name: str) -> str:
    """A form's text field; empty if it is missing or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def safe_path(url: str) -> str:
    """A path of this console to go on to after log-in, whatever somebody wrote into a link."""
    parts = urlsplit(url)
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    return url if inside and not url.startswith(("//", "/\\")) and "\\" not in url else "/"


def _incident_of(path: str) -> UUID | None:
    """Whichever incident a page is about."""
    _, is_one, rest = path.partition("/incidents/")
    try:
        return UUID(rest.partition("/")[0]) if is_one else None
    except ValueError:
        return None


def _to_login(request: Request) -> Response:
    if "fragment" in request.query_params:
        return Response("signed out", 401, dict(HEADERS), "text/plain")
    where = "/"
    if request.method == "GET":
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(where, safe='/')}", 303, headers=dict(HEADERS))
