"""People's telephones: what reached them, conversation by conversation, and answering there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mentalspace.emulator.role import Conversation, Phones
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox.world import World

SHOWN = 40
THREAD = 60
# What people answer most; the last is an opt-out word everywhere.
QUICK = ("1", "2", "STOP")


class PhonePages:
    """`show` renders a template with what all pages have."""

    def __init__(self, world: World, show: Callable[..., HTMLResponse]) -> None:
        self._world = world
        self._show = show

    def routes(self) -> Sequence[Route]:
        thread = "/{room}/phones/{account}/{phone}/{number}"
        return (
            Route("/{room}/phones", self._list),
            Route(thread, self._thread),
            Route(thread, self._answer, methods=["POST"]),
        )

    async def _list(self, request: Request) -> Response:
        room, phones = self._known(request)
        return self._show(
            "phones.html",
            title="Phones",
            room=room,
            conversations=_listed(room, phones.conversations()),
        )

    async def _thread(self, request: Request) -> Response:
        room, phones = self._known(request)
        account_id, phone, number = self._ends(request)
        account = self._world.kit.accounts.get(account_id)
        bubbles = phones.thread(account, phone, number) if account else []
        if not bubbles:
            raise HTTPException(404, "These two have said nothing to each other.")
        return self._show(
            "phone.html",
            title=phone,
            room=room,
            number=number,
            here=_url(room, account_id, phone, number),
            conversations=_listed(room, phones.conversations()),
            bubbles=bubbles[-THREAD:],
            left_out=max(0, len(bubbles) - THREAD),
            quick=QUICK,
        )

    async def _answer(self, request: Request) -> Response:
        room, phones = self._known(request)
        account_id, phone, number = self._ends(request)
        form = await request.form()
        body = str(form.get("quick") or form.get("body") or "").strip()
        account = self._world.kit.accounts.get(account_id)
        if account is None or not 1 <= len(body) <= 1600:
            raise HTTPException(422, "Write from 1 to 1600 characters.")
        try:
            phones.text(account, phone, number, body)
        except Refused as error:
            raise HTTPException(422, str(error)) from error
        await self._world.kit.journal.flush()
        return RedirectResponse(_url(room, account_id, phone, number) + "#newest", 303)

    def _known(self, request: Request) -> tuple[str, Phones]:
        room = str(request.path_params["room"])
        phones = self._world.phones(room)
        if phones is None:
            raise HTTPException(404, "Nobody's telephone is reached from here.")
        return room, phones

    def _ends(self, request: Request) -> tuple[str, str, str]:
        account, phone, number = (
            str(request.path_params[name]) for name in ("account", "phone", "number")
        )
        return account, phone, number


def _listed(room: str, found: Sequence[Conversation]) -> list[dict[str, Any]]:
    return [
        {"url": _url(room, one.account, one.phone, one.number), "of": one} for one in found[:SHOWN]
    ]


def _url(room: str, account: str, phone: str, number: str) -> str:
    parts = (room, "phones", account, phone, number)
    return "/" + "/".join(quote(part, safe="+") for part in parts)
