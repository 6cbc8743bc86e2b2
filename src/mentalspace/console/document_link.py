"""What somebody finds behind a guarded link to a document: a button, or why there is none.

Mail scanners open every link. So opening changes nothing; the button's POST uses the link.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.console.client_link import HEADERS
from mentalspace.console.link_words import preferred, say
from mentalspace.console.notice_page import statement
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.link_view import LinkView, look
from mentalspace.practice.identity import SESSION_COOKIE, person_of
from mentalspace.practice.person import Person
from mentalspace.practice.saying import spoken
from mentalspace.practice.saying.facts import Language, language_of

_OTHER: dict[Language, Language] = {"en": "es", "es": "en"}


class DocumentLinks:
    """Needs no log-in by itself: a link may be for whoever has it."""

    def __init__(self, services: Services, templates: Templates) -> None:
        self._services = services
        self._templates = templates

    def serve(self, router: APIRouter) -> None:
        router.add_route("/d/{token}", self._look, methods=["GET"], include_in_schema=False)

    async def _look(self, request: Request) -> Response:
        token = str(request.path_params["token"])
        cookie = request.cookies.get(SESSION_COOKIE)
        visitor = await person_of(self._services.database, cookie) if cookie else None
        view = await look(self._services, token, visitor)
        language = _language(request, view)
        other = _OTHER[language]
        text = self._templates.render(
            "document_link.html",
            {"now": self._services.clock.now(), "zone": "UTC"},
            {
                "view": view,
                "token": token,
                "visitor": visitor,
                "language": language,
                "other": other,
                "heading": say(_heading(view, visitor), language),
                "until": None if view is None else _until(view, language),
                "statement": statement(),
                "say": lambda name, **given: say(name, language, **given),
                "say_in_other": lambda name: say(name, other),
            },
        )
        http = 404 if view is None else 200
        return Response(text, http, dict(HEADERS), "text/html; charset=utf-8")


def _language(request: Request, view: LinkView | None) -> Language:
    """As it was chosen on the page; a client's own; else as their browser asks."""
    chosen = request.query_params.get("language")
    known = None if view is None else view.language
    if chosen is None and known is None:
        return preferred(request.headers.get("accept-language", ""))
    return language_of(chosen or known or "en")


def _heading(view: LinkView | None, visitor: Person | None) -> str:
    if view is None:
        return "nothing"
    if view.state == "for_somebody_else":
        return "log_in_first" if visitor is None else "others"
    return "open" if view.state == "open" else "over"


def _until(view: LinkView, language: Language) -> str:
    local = view.expires_at.astimezone(ZoneInfo(view.timezone))
    return f"{spoken.day_and_year(local, language)}, {spoken.hour(local, language)}"
