"""The console's own style sheet, scripts and icon, served from memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.kernel.errors import MentalSpaceError

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    version: str


class WebFiles:
    """Every file of `web/`, and what its TypeScript was built into. An address names the content,
    so that a browser may keep it."""

    def __init__(self) -> None:
        folder = resources.files("mentalspace.console") / "web"
        built = folder / "built"
        self._files = MappingProxyType(
            {
                entry.name: _File(
                    body := entry.read_bytes(),
                    _TYPES[f".{entry.name.rpartition('.')[2]}"],
                    hashlib.sha256(body).hexdigest()[:12],
                )
                for entry in (*folder.iterdir(), *(built.iterdir() if built.is_dir() else ()))
                if f".{entry.name.rpartition('.')[2]}" in _TYPES
            }
        )

    def url(self, name: str) -> str:
        file = self._files.get(name)
        if file is None:
            raise MentalSpaceError(f"the console has no {name}: `make install` builds its scripts")
        return f"/static/{name}?v={file.version}"

    def serve(self, router: APIRouter) -> None:
        router.add_route("/static/{name}", self._answer, methods=["GET"], include_in_schema=False)

    async def _answer(self, request: Request) -> Response:
        file = self._files.get(str(request.path_params["name"]))
        if file is None:
            return Response("There is no such file.", 404, media_type="text/plain")
        current = request.query_params.get("v") == file.version
        kept = "public, max-age=31536000, immutable" if current else "no-cache"
        headers = {"cache-control": kept, "x-content-type-options": "nosniff"}
        return Response(file.body, 200, headers, file.media_type)
