"""A labelled file together with its notice, for whoever asks for it so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mentalspace.integrations.storage.bundle import LARGEST, Bundle
from mentalspace.integrations.storage.routes.ask import desk_for
from mentalspace.integrations.storage.routes.carried import Given
from mentalspace.integrations.storage.store.acting import Deed
from mentalspace.integrations.storage.store.objects import Stored

_OF_THE_BYTES = ("accept-ranges", "etag", "content-disposition")


def is_bundled(request: Request, found: Stored) -> bool:
    """What has no notice comes as it is, and so does what no plain ZIP can hold."""
    asked = request.query_params.get("with") == "notice"
    return asked and found.label is not None and found.size <= LARGEST


def give_bundled(
    request: Request,
    deed: Deed,
    found: Stored,
    pieces: AsyncIterator[bytes],
    headers: Mapping[str, str],
) -> Response:
    """`headers` are those of the file by itself. No stretch is given of it, no cache keeps it."""
    desk = desk_for(request)
    bundle = Bundle(
        found.called, found.size, found.sha256, deed.person.practice_name or "", desk.clock.now()
    )
    kept = {name: value for name, value in headers.items() if name not in _OF_THE_BYTES}
    name = quote(f"{found.called[:190]}.zip", safe="")
    given = Given(
        bundle.around(pieces),
        200,
        {
            **kept,
            "cache-control": "no-store",
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "content-length": str(bundle.length),
        },
        media_type="application/zip",
    )
    return given.count_for(desk.database, deed, found.bucket_id, bundle.length)
