"""Log-in, in one step or two, and log-out: the only pages for somebody who is nobody yet."""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mentalspace.console.door import HEADERS, answer, field_of, safe_path
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.practice.identity import (
    SESSION_COOKIE,
    LogInRefused,
    SecondFactorAsked,
    csrf_holds,
    finish_log_in,
    log_in,
    log_out,
    person_of,
)
from mentalspace.practice.second_factor import SecondFactorRefused

# Proves that the form came from our page, before there is a session to hold a token.
_FORM_COOKIE = "ms_login"
_FORM_LIFETIME_S = 3600
# Between the right password and the right code; opens nothing by itself.
_HALF_COOKIE = "ms_half"
_STALE = "The page was open too long, or cookies are switched off. Try again."

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
            ("/login/code", self._code_form, "GET"),
            ("/login/code", self._finish, "POST"),
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
        if not _is_ours(request, field_of(form, "token")):
            return self._show(request, problem=_STALE, next_path=next_path, email=email, http=403)
        settings = self._services.settings
        try:
            _person, cookie = await log_in(
                self._services.database,
                email,
                field_of(form, "password"),
                demo_allowed=not settings.is_production,
                second_factor_required=settings.is_production,
            )
        except LogInRefused as error:
            return self._show(
                request, problem=str(error), next_path=next_path, email=email, http=401
            )
        except SecondFactorAsked as asked:
            where = f"/login/code?next={quote(next_path)}"
            half = RedirectResponse(where, 303, headers=dict(HEADERS))
            self._keep(half, _HALF_COOKIE, asked.ticket, _FORM_LIFETIME_S)
            return half
        return self._let_in(next_path, cookie)

    async def _code_form(self, request: Request) -> Response:
        if not request.cookies.get(_HALF_COOKIE):
            return RedirectResponse("/login", 303, headers=dict(HEADERS))
        return self._ask_code(request, safe_path(request.query_params.get("next", "/")))

    async def _finish(self, request: Request) -> Response:
        form = await request.form(max_files=0)
        next_path = safe_path(field_of(form, "next") or "/")
        if not _is_ours(request, field_of(form, "token")):
            return self._ask_code(request, next_path, problem=_STALE, http=403)
        services = self._services
        try:
            _person, cookie = await finish_log_in(
                services.database,
                services.vault,
                request.cookies.get(_HALF_COOKIE) or "",
                field_of(form, "code"),
                datetime.now(UTC),
            )
        except (LogInRefused, SecondFactorRefused) as error:
            return self._ask_code(request, next_path, problem=str(error), http=401)
        return self._let_in(next_path, cookie)

    def _let_in(self, next_path: str, cookie: str) -> Response:
        response = RedirectResponse(next_path, 303, headers=dict(HEADERS))
        response.set_cookie(
            SESSION_COOKIE, cookie, httponly=True, samesite="lax", secure=self._is_https
        )
        response.delete_cookie(_FORM_COOKIE, path="/login")
        response.delete_cookie(_HALF_COOKIE, path="/login")
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
        return self._form_page(
            request,
            "login.html",
            http,
            problem=problem,
            next=next_path,
            email=email,
            demo=() if self._services.settings.is_production else _DEMO,
            password=self._demo_password,
        )

    def _ask_code(
        self, request: Request, next_path: str, *, problem: str | None = None, http: int = 200
    ) -> Response:
        return self._form_page(request, "login_code.html", http, problem=problem, next=next_path)

    def _form_page(self, request: Request, template: str, http: int, **values: Any) -> Response:
        """A page with a form whose token the browser must bring back in a cookie as well."""
        token, now = secrets.token_urlsafe(24), datetime.now(UTC)
        frame = {"now": now, "zone": "UTC"}
        text = self._templates.render(template, frame, {"token": token, **values})
        response = answer(request, text, http, now)
        self._keep(response, _FORM_COOKIE, token, _FORM_LIFETIME_S)
        return response

    def _keep(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        """A cookie of the log-in alone."""
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/login",
            httponly=True,
            samesite="strict",
            secure=self._is_https,
        )


def _is_ours(request: Request, token: str) -> bool:
    """Whether the form came from our page, before there is a session to hold a token."""
    kept = request.cookies.get(_FORM_COOKIE) or ""
    return bool(kept) and hmac.compare_digest(kept.encode(), token.encode())
