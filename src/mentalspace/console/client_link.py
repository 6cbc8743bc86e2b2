"""What a client finds behind the link in a mail: the hour, and two answers to give by a button.

Mail scanners open every link. So opening changes nothing, whatever method or query comes with
it; only a form's POST does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.client_words import say
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.practice.limits import Limit, allows
from mentalspace.practice.saying import spoken
from mentalspace.practice.saying.facts import Language, language_of
from mentalspace.workflows.client_answer import ClientView, call_off, confirm, look

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    # The address is the key: it goes nowhere else, into no cache and no index.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}
MOST_ANSWERS = 10
_ANSWERS = Limit("link_answers", MOST_ANSWERS, timedelta(minutes=1))

Answer = Callable[[Services, str], Awaitable[ClientView | None]]


class ClientLinks:
    """Needs no log-in: the signature is the right to answer for one appointment."""

    def __init__(self, services: Services, templates: Templates) -> None:
        self._services = services
        self._templates = templates

    def serve(self, router: APIRouter) -> None:
        def add(path: str, handler: Callable[[Request], Awaitable[Response]], method: str) -> None:
            router.add_route(path, handler, methods=[method], include_in_schema=False)

        add("/a/{token}", self._look, "GET")
        for name, answer in (("confirm", confirm), ("cancel", call_off)):
            add(f"/a/{{token}}/{name}", self._answering(answer), "POST")
            add(f"/a/{{token}}/{name}", self._back, "GET")

    async def _look(self, request: Request) -> Response:
        token = str(request.path_params["token"])
        view = await look(self._services, token)
        if view is None:
            return self._plain("unknown", 404)
        language = language_of(view.language)
        return self._show(
            200,
            language,
            say(view.state, language),
            view=view,
            token=token,
            day=spoken.day_and_year(_local(view, view.starts_at), language),
            hour=spoken.hour(_local(view, view.starts_at), language),
            until=_moment(view, view.cancel_until, language),
        )

    def _answering(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            token = str(request.path_params["token"])
            database, vault = self._services.database, self._services.vault
            if not await allows(database, vault, token, _ANSWERS):
                return self._plain("slowly", 429)
            if await answer(self._services, token) is None:
                return self._plain("unknown", 404)
            return await self._back(request)

        return endpoint

    async def _back(self, request: Request) -> Response:
        """The page that says how things stand, so that a reload repeats nothing."""
        token = str(request.path_params["token"])
        return RedirectResponse(f"/a/{token}", 303, headers=dict(HEADERS))

    def _plain(self, what: str, http: int) -> Response:
        """Before it is known to whom: in both languages, the same for every bad link."""
        return self._show(http, "en", say(what, "en"), view=None, other=say(what, "es"))

    def _show(self, http: int, language: Language, heading: str, **values: object) -> Response:
        now = self._services.clock.now()
        text = self._templates.render(
            "client_link.html",
            {"now": now, "zone": "UTC"},
            {
                "language": language,
                "heading": heading,
                "say": lambda name, **given: say(name, language, **given),
                "say_in_spanish": lambda name: say(name, "es"),
                **values,
            },
        )
        return Response(text, http, dict(HEADERS), "text/html; charset=utf-8")


def _local(view: ClientView, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(view.timezone))


def _moment(view: ClientView, moment: datetime, language: Language) -> str:
    local = _local(view, moment)
    return f"{spoken.day(local, language)}, {spoken.hour(local, language)}"
