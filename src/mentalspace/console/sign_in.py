"""Log-in and log-out: the only pages for somebody who is nobody yet."""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.door import HEADERS, SESSION_COOKIE, answer, field_of, safe_path
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.practice.identity import LogInRefused, csrf_holds, log_in, log_out, person_of

# Proves that the form came from our page, before there is a session to hold a token.
_FORM_COOKIE = "ms_login"
_FORM_LIFETIME_S = 3600

_DEMO = (
    ("oncall@demo.example", "on-call engineer: every practice, nobody’s name"),
    ("admin@demo.example", "administrator"),
    ("frontdesk@demo.example", "front desk"),
    ("clinician@demo.example", "clinician"),
    ("biller@demo.example", "biller"),
)


class SignIn:
    """`demo_password` is shown on the page; None says where it is set instead."""

    def __init__(self, services: Services, templates: Templates, demo_password: str | None) -> None:
        self._services = services
        self._templates = templates
        self._demo_password = demo_password

    def serve(self, router: APIRouter) -> None:
        for path, handler, method in (
            ("/login", self._form, "GET"),
            ("/login", self._log_in, "POST"),
            ("/logout", self._log_out, "POST"),
        ):
            router.add_route(path, handler, methods=[method], include_in_schema=False)

    async def _form(self, request: Request) -> Response:
        cookie = request.cookies.get(SESSION_COOKIE) or ""
        if await person_of(self._services.database, cookie) is not None:
            return RedirectResponse("/", 303, headers=dict(HEADERS))
        return self._show(request, next_path=safe_path(request.query_params.get("next", "/")))

    async def _log_in(self, request: Request) -> Response:
        form = await request.form(max_files=0)
        email, next_path = field_of(form, "email").strip(), safe_path(field_of(form, "next") or "/")
        token = request.cookies.get(_FORM_COOKIE) or ""
        if not token or not hmac.compare_digest(token.encode(), field_of(form, "token").encode()):
            problem = "The page was open too long, or cookies are switched off. Try again."
            return self._show(request, problem=problem, next_path=next_path, email=email, http=403)
        settings = self._services.settings
        try:
            _person, cookie = await log_in(
                self._services.database,
                email,
                field_of(form, "password"),
                demo_allowed=not settings.is_production,
            )
        except LogInRefused as error:
            return self._show(
                request, problem=str(error), next_path=next_path, email=email, http=401
            )
        response = RedirectResponse(next_path, 303, headers=dict(HEADERS))
        response.set_cookie(
            SESSION_COOKIE, cookie, httponly=True, samesite="lax", secure=self._is_https
        )
        response.delete_cookie(_FORM_COOKIE, path="/login")
        return response

    async def _log_out(self, request: Request) -> Response:
        cookie = request.cookies.get(SESSION_COOKIE) or ""
        person = await person_of(self._services.database, cookie)
        form = await request.form(max_files=0)
        if person is not None and not csrf_holds(person, field_of(form, "csrf")):
            return Response("The form was not sent from this session.", 403, dict(HEADERS))
        if person is not None:
            await log_out(self._services.database, cookie)
        response = RedirectResponse("/login", 303, headers=dict(HEADERS))
        response.delete_cookie(SESSION_COOKIE)
        return response

    @property
    def _is_https(self) -> bool:
        return self._services.settings.site_url.startswith("https://")

    def _show(
        self,
        request: Request,
        *,
        next_path: str,
        problem: str | None = None,
        email: str = "",
        http: int = 200,
    ) -> Response:
        token = secrets.token_urlsafe(24)
        now = datetime.now(UTC)
        text = self._templates.render(
            "login.html",
            {"now": now, "zone": "UTC"},
            {
                "problem": problem,
                "token": token,
                "next": next_path,
                "email": email,
                "demo": () if self._services.settings.is_production else _DEMO,
                "password": self._demo_password,
            },
        )
        response = answer(request, text, http, now)
        response.set_cookie(
            _FORM_COOKIE,
            token,
            max_age=_FORM_LIFETIME_S,
            path="/login",
            httponly=True,
            samesite="strict",
            secure=self._is_https,
        )
        return response
