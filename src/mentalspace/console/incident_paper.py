"""An incident's post-mortem as a file: Markdown to go on writing in, PDF to keep."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from mentalspace.console.door import HEADERS, Missing, Visit
from mentalspace.console.post_mortem import post_mortem, read_told
from mentalspace.engine.document import Document, to_markdown, to_pdf
from mentalspace.kernel.errors import Refused


async def markdown(visit: Visit) -> Response:
    document = await _document(visit)
    return _file(visit, to_markdown(document).encode(), "md", "text/markdown; charset=utf-8")


async def pdf(visit: Visit) -> Response:
    document = await _document(visit)
    # Drawing takes a while, and others wait for an answer.
    return _file(visit, await asyncio.to_thread(to_pdf, document), "pdf", "application/pdf")


async def _document(visit: Visit) -> Document:
    try:
        return post_mortem(await read_told(visit.services, visit.id()))
    except Refused as error:
        raise Missing from error


def _file(visit: Visit, body: bytes, ending: str, media_type: str) -> Response:
    name = f"post-mortem-{str(visit.id())[:8]}.{ending}"
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(body, 200, headers, media_type)
