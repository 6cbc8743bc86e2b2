"""What somebody finds behind a guarded link to a document: a button, or why there is none.

Mail scanners open every link. So opening changes nothing; the button's POST uses the link.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.console.client_link import HEADERS
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.link_view import look
from mentalspace.practice.identity import SESSION_COOKIE, person_of


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
        zone = "UTC" if view is None else view.timezone
        text = self._templates.render(
            "document_link.html",
            {"now": self._services.clock.now(), "zone": zone},
            {"view": view, "token": token, "visitor": visitor},
        )
        http = 404 if view is None else 200
        return Response(text, http, dict(HEADERS), "text/html; charset=utf-8")
