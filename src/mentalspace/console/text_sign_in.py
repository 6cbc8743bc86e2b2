"""A client logs in by a code on their telephone; staff have no part in this.

What is answered is the same, and as quick, whether or not anybody has that address or number.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.access_words import say
from mentalspace.console.door import HEADERS, answer, field_of
from mentalspace.console.view import Templates
from mentalspace.engine.log import get_logger
from mentalspace.engine.services import Services
from mentalspace.practice.identity import SESSION_COOKIE, LogInRefused, open_client_session
from mentalspace.practice.limits import Limit, allows, network_of
from mentalspace.practice.one_time_code import new_attempt, take_code
from mentalspace.practice.saying.facts import Language, language_of
from mentalspace.workflows.log_in_codes import send_code

PAUSE_S = 30
_PLACE = "/login/text"
_FORM_COOKIE, _ATTEMPT_COOKIE = "ms_text_form", "ms_code"
_FORM_LIFETIME_S = 3600
_OF_NETWORK = (
    Limit("code_network", 10, timedelta(hours=1)),
    Limit("code_network", 30, timedelta(days=1)),
)
_CHECKS = Limit("code_checks", 60, timedelta(hours=1))
# For what was typed, whoever it belongs to.
_OF_TYPED = Limit("code_typed", 1, timedelta(seconds=PAUSE_S))

log = get_logger(__name__)


class TextSignIn:
    def __init__(self, services: Services, templates: Templates) -> None:
        self._services = services
        self._templates = templates

    def serve(self, router: APIRouter) -> None:
        def add(path: str, handler: Callable[[Request], Awaitable[Response]], method: str) -> None:
            router.add_route(path, handler, methods=[method], include_in_schema=False)

        add(_PLACE, self._form, "GET")
        add(_PLACE, self._ask, "POST")
        add(f"{_PLACE}/code", self._finish, "POST")

    async def _form(self, request: Request) -> Response:
        return self._show(request, "ask", _language(request))

    async def _ask(self, request: Request) -> Response:
        form = await request.form(max_files=0)
        language, who = language_of(field_of(form, "language")), field_of(form, "who").strip()[:320]
        if not _is_ours(request, field_of(form, "token")):
            return self._show(request, "ask", language, 403, problem="stale", who=who)
        if not who:
            return self._show(request, "ask", language, 422, problem="who_missing")
        database, vault = self._services.database, self._services.vault
        if not await allows(database, vault, _network(request), _OF_NETWORK):
            return self._show(request, "ask", language, 429, problem="too_many", who=who)
        if not await allows(database, vault, _typed(who), _OF_TYPED):
            return self._show(request, "code", language, 429, problem="too_soon", who=who)
        attempt = new_attempt()
        response = self._show(request, "code", language, who=who)
        self._keep(response, _ATTEMPT_COOKIE, attempt)
        response.background = BackgroundTask(self._send, attempt, who)
        return response

    async def _send(self, attempt: str, who: str) -> None:
        try:
            await send_code(self._services, attempt, who)
        except Exception as error:
            log.error("code_not_sent", error=type(error).__name__)

    async def _finish(self, request: Request) -> Response:
        form = await request.form(max_files=0)
        language, who = language_of(field_of(form, "language")), field_of(form, "who").strip()[:320]
        database, vault = self._services.database, self._services.vault
        if not _is_ours(request, field_of(form, "token")):
            return self._show(request, "code", language, 403, problem="stale", who=who)
        if not await allows(database, vault, _network(request), _CHECKS):
            return self._show(request, "code", language, 429, problem="too_many", who=who)
        attempt = request.cookies.get(_ATTEMPT_COOKIE) or ""
        taken = await take_code(database, vault, attempt, field_of(form, "code"))
        try:
            if taken is None:
                raise LogInRefused("wrong")
            cookie = await open_client_session(
                database, taken["user_id"], taken["practice_id"], taken["client_id"]
            )
        except LogInRefused:
            return self._show(request, "code", language, 401, problem="wrong_code", who=who)
        response = RedirectResponse("/portal", 303, headers=dict(HEADERS))
        response.set_cookie(
            SESSION_COOKIE, cookie, httponly=True, samesite="lax", secure=self._is_https
        )
        for name in (_FORM_COOKIE, _ATTEMPT_COOKIE):
            response.delete_cookie(name, path=_PLACE)
        return response

    @property
    def _is_https(self) -> bool:
        return self._services.settings.site_url.startswith("https://")

    def _show(
        self,
        request: Request,
        step: str,
        language: Language,
        http: int = 200,
        *,
        problem: str | None = None,
        who: str = "",
    ) -> Response:
        token, now = secrets.token_urlsafe(24), datetime.now(UTC)
        text = self._templates.render(
            "text_sign_in.html",
            {"now": now, "zone": "UTC"},
            {
                "step": step,
                "language": language,
                "token": token,
                "problem": problem,
                "who": who,
                "ending": _ending(who),
                "pause_s": PAUSE_S,
                "say": lambda name, **given: say(name, language, **given),
            },
        )
        response = answer(request, text, http, now)
        self._keep(response, _FORM_COOKIE, token)
        return response

    def _keep(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name,
            value,
            max_age=_FORM_LIFETIME_S,
            path=_PLACE,
            httponly=True,
            samesite="strict",
            secure=self._is_https,
        )


def _is_ours(request: Request, token: str) -> bool:
    kept = request.cookies.get(_FORM_COOKIE) or ""
    return bool(kept) and hmac.compare_digest(kept.encode(), token.encode())


def _network(request: Request) -> str:
    return network_of(request.client.host if request.client else "")


def _language(request: Request) -> Language:
    return language_of(
        request.query_params.get("language") or request.headers.get("accept-language", "")[:2]
    )


def _typed(who: str) -> str:
    """One spelling of what was typed."""
    digits = re.sub(r"\D", "", who)
    return digits[-10:] if len(digits) >= 10 and "@" not in who else who.lower()


def _ending(who: str) -> str:
    """The last two digits of a number that was typed. Of an address nothing is known here: the
    number on file would tell that there is one."""
    digits = re.sub(r"\D", "", who)
    return digits[-2:] if "@" not in who and len(digits) >= 10 else ""
