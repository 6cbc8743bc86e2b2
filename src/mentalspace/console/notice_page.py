"""The notice of 42 CFR § 2.32, for whoever was given a labelled file: its answers link here."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.console.client_link import HEADERS
from mentalspace.console.notice_words import WORDS
from mentalspace.console.view import Templates
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.notice import LONG, PAGE, SHORT
from mentalspace.practice.saying.facts import Language

_A_DAY = {"cache-control": "public, max-age=86400"}


class NoticePage:
    """For anybody, and the same for all: it says nothing of any file."""

    def __init__(self, services: Services, templates: Templates) -> None:
        self._services = services
        self._templates = templates

    def serve(self, router: APIRouter) -> None:
        router.add_route(PAGE, self._show, methods=["GET"], include_in_schema=False)

    async def _show(self, _request: Request) -> Response:
        text = self._templates.render(
            "notice.html",
            {"now": self._services.clock.now(), "zone": "UTC"},
            {"say": say_notice, "statement": statement()},
        )
        return Response(text, 200, {**HEADERS, **_A_DAY}, "text/html; charset=utf-8")


def say_notice(name: str, language: Language) -> str:
    return WORDS[name][language]


def statement() -> dict[str, object]:
    """For templates."""
    return {"short": SHORT, "long": LONG, "page": PAGE}
