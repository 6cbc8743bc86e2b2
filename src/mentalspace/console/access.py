"""A forgotten password, and the page behind a mailed link: open to somebody who is nobody yet.

Mail scanners open every link, so opening one changes nothing; the form's POST does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.access_words import say
from mentalspace.console.client_link import HEADERS
from mentalspace.console.door import field_of
from mentalspace.console.view import Templates
from mentalspace.engine.log import get_logger
from mentalspace.engine.services import Services
from mentalspace.practice.access import Waiting, look_at, redeem
from mentalspace.practice.limits import Limit, allows, network_of
from mentalspace.practice.saying.facts import Language, language_of
from mentalspace.workflows.access_mails import ask_reset

# For each visitor's network. What one mailbox gets is held by the database: three an hour.
_REQUESTS = Limit("forgot_network", 10, timedelta(hours=1))

log = get_logger(__name__)


class AccessPages:
    def __init__(self, services: Services, templates: Templates) -> None:
        self._services = services
        self._templates = templates

    def serve(self, router: APIRouter) -> None:
        def add(path: str, handler: Callable[[Request], Awaitable[Response]], method: str) -> None:
            router.add_route(path, handler, methods=[method], include_in_schema=False)

        add("/forgot", self._forgot, "GET")
        add("/forgot", self._ask, "POST")
        add("/reset", self._done, "GET")
        add("/reset/{token}", self._form, "GET")
        add("/reset/{token}", self._set, "POST")

    async def _forgot(self, _request: Request) -> Response:
        return self._show("forgot.html", asked=False, problem=None)

    async def _ask(self, request: Request) -> Response:
        """The answer is the same, and as quick, whether or not anybody has that address."""
        form = await request.form(max_files=0)
        address = field_of(form, "email").strip()
        network = network_of(request.client.host if request.client else "")
        if not await allows(self._services.database, self._services.vault, network, _REQUESTS):
            problem = "Too many requests from your network. Try again in an hour."
            return self._show("forgot.html", 429, asked=False, problem=problem)
        response = self._show("forgot.html", asked=True, problem=None)
        response.background = BackgroundTask(self._write, address[:320])
        return response

    async def _write(self, address: str) -> None:
        try:
            await ask_reset(self._services, address)
        except Exception as error:
            log.error("reset_not_written", error=type(error).__name__)

    async def _form(self, request: Request) -> Response:
        token = str(request.path_params["token"])
        waiting = await look_at(self._services.database, token)
        return self._dead() if waiting is None else self._ask_password(token, waiting)

    async def _set(self, request: Request) -> Response:
        token = str(request.path_params["token"])
        waiting = await look_at(self._services.database, token)
        if waiting is None:
            return self._dead()
        form = await request.form(max_files=0)
        password = field_of(form, "password")
        if password != field_of(form, "again"):
            return self._ask_password(token, waiting, "different")
        try:
            redeemed = await redeem(self._services.database, token, password)
        except ValueError:
            return self._ask_password(token, waiting, "too_short")
        if not redeemed:
            return self._dead()
        language = language_of(waiting.language)
        return RedirectResponse(f"/reset?language={language}", 303, headers=dict(HEADERS))

    async def _done(self, request: Request) -> Response:
        language = language_of(request.query_params.get("language"))
        return self._page("done", language)

    def _ask_password(self, token: str, waiting: Waiting, problem: str | None = None) -> Response:
        http = 200 if problem is None else 422
        state = "invited" if waiting.invited else "reset"
        return self._page(
            state,
            language_of(waiting.language),
            http,
            token=token,
            practice=waiting.practice_name,
            problem=problem,
        )

    def _dead(self) -> Response:
        """Used, too old or never made: in both languages, for nobody knows whose it was."""
        return self._page("dead", "en", 404)

    def _page(self, state: str, language: Language, http: int = 200, **values: object) -> Response:
        return self._show(
            "access.html",
            http,
            state=state,
            language=language,
            say=lambda name, **given: say(name, language, **given),
            say_in_spanish=lambda name: say(name, "es"),
            **values,
        )

    def _show(self, template: str, http: int = 200, **values: object) -> Response:
        frame = {"now": datetime.now(UTC), "zone": "UTC"}
        text = self._templates.render(template, frame, values)
        return Response(text, http, dict(HEADERS), "text/html; charset=utf-8")
