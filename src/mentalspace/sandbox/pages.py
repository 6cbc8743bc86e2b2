"""The sandbox's pages: overview, a room with its mailbox and break button, one mail, the pager."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from mentalspace.emulator.outbox import Accepted
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox import mailbox
from mentalspace.sandbox.outside import change_outside, shown_outside
from mentalspace.sandbox.phones import PhonePages
from mentalspace.sandbox.presets import presets_of
from mentalspace.sandbox.world import World

NEWEST_SHOWN = 8
# A mail is foreign content: no scripts, no forms, no network, an origin of its own.
MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


class Pages:
    """Renders; every change is a form that posts and is redirected back."""

    def __init__(self, world: World, control: FastAPI) -> None:
        self._world = world
        self._control = control
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("mentalspace.sandbox", "web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["clock"] = _clock
        self._templates.filters["heading"] = _heading
        self._templates.filters["short"] = _short
        self._templates.filters["happened"] = self._happened
        self._templates.filters["tone"] = mailbox.tone_of
        self._templates.filters["account_name"] = mailbox.name_of

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self._overview),
            Route("/_control", self._reference),
            Route("/_control/", self._reference),
            Route("/pager", self._pager),
            Route("/clock", self._move_clock, methods=["POST"]),
            Route("/{room}", self._room),
            Route("/{room}/mailbox", self._mailbox),
            Route("/{room}/messages/{item}", self._message),
            Route("/{room}/messages/{item}/html", self._message_html),
            Route("/{room}/messages/{item}/attachments/{file}", self._attachment),
            Route("/{room}/break", self._break, methods=["POST"]),
            Route("/{room}/heal", self._heal, methods=["POST"]),
            Route("/{room}/outside", self._outside, methods=["POST"]),
            *PhonePages(self._world, self._show).routes(),
        ]

    async def _overview(self, _request: Request) -> Response:
        kit = self._world.kit
        return self._show(
            "overview.html",
            title="Sandbox",
            cards=[
                {
                    "role": role,
                    "address": self._world.address(role),
                    "accepted": len(kit.outbox.items(room=role.room, provider=role.provider)),
                    "faults": [
                        f
                        for f in kit.faults.all()
                        if (f.room, f.provider) == (role.room, role.provider)
                    ],
                }
                for role in self._world.roles
            ],
            pages=self._world.pager.pages(limit=3),
        )

    async def _room(self, request: Request) -> Response:
        kit = self._world.kit
        room = self._known_room(request)
        roles = [role for role in self._world.roles if role.room == room]
        return self._show(
            "room.html",
            title=_heading(room),
            kept=_kept(room),
            room=room,
            roles=roles,
            presets=list(presets_of(roles).values()),
            faults=[f for f in kit.faults.all() if f.room == room],
            left=kit.faults.left,
            items=kit.outbox.items(room=room, limit=NEWEST_SHOWN),
            entries=kit.recorder.newest(NEWEST_SHOWN, room=room),
            pending=kit.hooks.pending,
            has_phones=self._world.phones(room) is not None,
            **shown_outside(self._world, room),
        )

    async def _mailbox(self, request: Request) -> Response:
        kit = self._world.kit
        room = self._known_room(request)
        want = mailbox.wanted(request.query_params)
        items, total = mailbox.listed(kit, room, want)
        last = max(1, -(-total // mailbox.SHOWN))
        turns = {"Newer": want.page - 1, "Older": want.page + 1}
        return self._show(
            "mailbox.html",
            title=_kept(room).title,
            kept=_kept(room),
            room=room,
            want=want,
            items=items,
            total=total,
            last=last,
            states=mailbox.STATES,
            accounts={a.id: mailbox.name_of(a) for a in kit.accounts.all() if a.room == room},
            turns={
                word: want.url(f"/{quote(room)}", page)
                for word, page in turns.items()
                if 1 <= page <= last
            },
        )

    async def _message(self, request: Request) -> Response:
        room = self._known_room(request)
        item = self._known_item(request, room)
        return self._show(
            "message.html",
            title=item.content.get("subject") or f"To {', '.join(item.recipients())}",
            room=room,
            kept=_kept(room),
            item=item,
            account=self._world.kit.accounts.get(item.account),
            events=mailbox.events_of(self._world.kit, item),
            html_url=f"/{quote(room)}/messages/{quote(item.id)}/html",
        )

    async def _message_html(self, request: Request) -> Response:
        item = self._known_item(request, self._known_room(request))
        return HTMLResponse(
            item.content.get("html") or "", headers={"content-security-policy": MAIL_POLICY}
        )

    async def _attachment(self, request: Request) -> Response:
        item = self._known_item(request, self._known_room(request))
        for file in item.content.get("attachments") or ():
            if file.get("id") == request.path_params["file"] and file.get("content") is not None:
                name = quote(str(file.get("filename") or file["id"]))
                return Response(
                    base64.b64decode(file["content"]),
                    headers={
                        # Whatever it is, it is saved and never shown as part of our pages.
                        "content-type": "application/octet-stream",
                        "content-disposition": f"attachment; filename*=UTF-8''{name}",
                    },
                )
        raise HTTPException(404, "No such attachment is kept.")

    async def _pager(self, _request: Request) -> Response:
        return self._show(
            "pager.html",
            title="Pager",
            pages=self._world.pager.pages(limit=100),
            alerts=self._world.pagerduty.alerts(limit=20),
        )

    async def _reference(self, _request: Request) -> Response:
        operations = [
            {"method": method.upper(), "path": f"/_control{path}", "summary": found["summary"]}
            for path, methods in self._control.openapi()["paths"].items()
            for method, found in methods.items()
        ]
        return self._show("reference.html", title="Control API", operations=operations)

    async def _break(self, request: Request) -> Response:
        room = self._known_room(request)
        form = await request.form()
        try:
            self._world.break_it(room, str(form.get("provider")), str(form.get("preset")))
        except Refused as error:
            raise HTTPException(422, str(error)) from error
        return await self._back(f"/{quote(room)}")

    async def _heal(self, request: Request) -> Response:
        room = self._known_room(request)
        self._world.kit.faults.heal(room)
        return await self._back(f"/{quote(room)}")

    async def _outside(self, request: Request) -> Response:
        room = self._known_room(request)
        form = {name: str(value) for name, value in (await request.form()).items()}
        try:
            change_outside(self._world, room, form)
        except Refused as error:
            raise HTTPException(422, str(error)) from error
        return await self._back(f"/{quote(room)}")

    async def _move_clock(self, request: Request) -> Response:
        clock = self._world.kit.clock
        try:
            hours = float(str((await request.form()).get("hours")))
            moved = clock.offset + timedelta(hours=hours)
        except (ValueError, OverflowError) as error:
            raise HTTPException(422, "hours: give a number") from error
        clock.move(moved.total_seconds())
        return await self._back("/")

    async def _back(self, url: str) -> Response:
        await self._world.kit.journal.flush()
        return RedirectResponse(url, 303)

    def _known_room(self, request: Request) -> str:
        room = str(request.path_params["room"])
        if room not in self._world.rooms:
            raise HTTPException(404, "No such room is played here.")
        return room

    def _known_item(self, request: Request, room: str) -> Accepted:
        item = self._world.kit.outbox.get(str(request.path_params["item"]))
        if item is None or item.room != room:
            raise HTTPException(404, "No such message.")
        return item

    def _happened(self, item: Accepted) -> str:
        return mailbox.state_of(item, self._world.kit.clock.now())

    def _console_url(self) -> str | None:
        """Whoever takes webhooks under our own path has a console beside it, and the clock."""
        for account in self._world.kit.accounts.all():
            parts = urlsplit(account.webhook_url or "")
            if parts.path.startswith("/v1/hooks/"):
                return f"{parts.scheme}://{parts.netloc}"
        return None

    def _show(self, template: str, **values: Any) -> HTMLResponse:
        clock = self._world.kit.clock
        common: dict[str, Any] = {
            "rooms": self._world.rooms,
            "now": clock.now(),
            "offset_h": clock.offset.total_seconds() / 3600,
            "console_url": self._console_url(),
        }
        return HTMLResponse(self._templates.get_template(template).render(common | values))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a room's outbox holds, in a person's words; `to` is what each goes to."""

    title: str
    one: str
    to: str


_DOCUMENTS = _Kept("Documents", "document", "place")
_MESSAGES = _Kept("Mailbox", "message", "recipient")


def _kept(room: str) -> _Kept:
    return _DOCUMENTS if room == "storage" else _MESSAGES


def _heading(room: str) -> str:
    """A room's name as people write it: SMS, AI, Email."""
    return room.upper() if len(room) <= 3 else room.capitalize()


def _clock(value: str | datetime) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _short(value: str | datetime) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.strftime("%d %b %H:%M:%S")
