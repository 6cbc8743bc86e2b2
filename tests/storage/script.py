"""One request after another that touch bytes in every way there is, whatever the bytes lie on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.storage.conftest import PDF, PNG, Reply, Surface
from tests.storage.test_resumable import b64, path_of

BUCKET = "client-documents"
PIECES = PDF * 300
LARGE = PDF + bytes(range(256)) * 33_000  # of two parts, where a shelf takes parts

# What a reply says besides its body; dates are another each time.
_SAID = (
    "content-type", "content-range", "accept-ranges", "etag", "cache-control",
    "content-disposition", "upload-offset", "upload-length", "tus-resumable",
)  # fmt: skip
_ANOTHER_EACH_TIME = re.compile(
    rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    rb"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)|eyJ[\w.-]+|token=[^\"&]+|/d/[^\"]+"
)


@dataclass(frozen=True, slots=True)
class Step:
    """`{place}` is the folder with its bucket, `{folder}` without; what `keep` names is taken from
    the reply, for later steps. `nobody` sends no log-in. A list that comes in `any_order` is
    compared in one."""

    what: str
    method: str
    path: str
    body: Any = None
    data: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: str | None = None
    nobody: bool = False
    any_order: bool = False


def _tus(what: str, method: str, path: str, **more: Any) -> Step:
    headers = {"Tus-Resumable": "1.0.0", **more.pop("headers", {})}
    return Step(what, method, path, headers=headers, **more)


_TYPED = {"Content-Type": "application/pdf"}
_OFFSET = {"Content-Type": "application/offset+octet-stream"}


def _script() -> tuple[Step, ...]:
    a, b = "/object/{place}/a.pdf", "/object/{place}/b.pdf"
    middle = 8 * 2**20
    return (
        Step("upload", "POST", a, data=PDF, headers=_TYPED),
        Step("upload over it", "POST", a, data=PDF, headers=_TYPED),
        Step("upsert", "POST", a, data=PDF + b"%%EOF", headers={**_TYPED, "x-upsert": "true"}),
        Step("update", "PUT", a, data=LARGE, headers=_TYPED),
        Step("another type", "POST", b, data=PNG, headers=_TYPED),
        Step("head", "HEAD", a),
        Step("info", "GET", "/object/info/{place}/a.pdf"),
        Step("download", "GET", a),
        Step("first bytes", "GET", a, headers={"Range": "bytes=0-9"}),
        Step("a stretch", "GET", a, headers={"Range": f"bytes={middle - 99}-{middle + 99}"}),
        Step("last bytes", "GET", a, headers={"Range": "bytes=-7"}),
        Step("beyond its end", "GET", a, headers={"Range": "bytes=99999999-"}),
        Step("nothing there", "GET", b),
        Step("versions", "GET", "/versions/{place}/a.pdf", keep="version"),
        Step("an older version", "GET", "/version/{version}"),
        Step("copy", "POST", "/object/copy", {
            "bucketId": BUCKET, "sourceKey": "{folder}/a.pdf", "destinationKey": "{folder}/b.pdf"}),
        Step("move", "POST", "/object/move", {
            "bucketId": BUCKET, "sourceKey": "{folder}/b.pdf", "destinationKey": "{folder}/c.pdf"}),
        Step("moved", "GET", "/object/{place}/c.pdf"),
        Step("moved away", "GET", b),
        Step("list", "POST", f"/object/list/{BUCKET}", {"prefix": "{folder}"}),
        Step("list by cursor", "POST", f"/object/list-v2/{BUCKET}", {"prefix": "{folder}/"}),
        Step("sign an upload", "POST", "/object/upload/sign/{place}/d.pdf", keep="url"),
        Step("upload by the link", "PUT", "{url}", data=PDF, headers=_TYPED, nobody=True),
        Step("sign", "POST", "/object/sign/{place}/d.pdf", {"expiresIn": 60}, keep="signedURL"),
        Step("by the link", "GET", "{signedURL}", nobody=True),
        Step("guard", "POST", "/object/sign/{place}/d.pdf", {"oneTime": True}, keep="signedURL"),
        Step("once", "POST", "{signedURL}", nobody=True),
        Step("no second time", "POST", "{signedURL}", nobody=True),
        _tus("begin", "POST", "/upload/resumable", headers={
            "Upload-Length": str(len(PIECES)), "Upload-Metadata": "{metadata}"}, keep="location"),
        _tus("add", "PATCH", "{location}", data=PIECES[:9000],
             headers={**_OFFSET, "Upload-Offset": "0"}),
        _tus("how far", "HEAD", "{location}"),
        _tus("the rest", "PATCH", "{location}", data=PIECES[9000:],
             headers={**_OFFSET, "Upload-Offset": "9000"}),
        Step("all of it", "GET", "/object/{place}/e.pdf"),
        Step("delete", "DELETE", a),
        Step("deleted", "GET", a),
        Step("delete it twice", "DELETE", a),
        Step("restore", "POST", "/version/{version}/restore"),
        Step("restored", "GET", a),
        Step("delete many", "DELETE", f"/object/{BUCKET}", {
            "prefixes": [f"{{folder}}/{name}.pdf" for name in "abcde"]}, any_order=True),
        Step("all gone", "POST", f"/object/list/{BUCKET}", {"prefix": "{folder}"}),
    )  # fmt: skip


async def play(surface: Surface, folder: str) -> dict[str, tuple[Any, ...]]:
    """What was answered to each step, with what is another each time made the same. The folder is a
    new one."""
    known = {
        "folder": folder,
        "place": f"{BUCKET}/{folder}",
        "metadata": f"bucketName {b64(BUCKET)},objectName {b64(f'{folder}/e.pdf')},"
        f"contentType {b64('application/pdf')}",
    }
    told: dict[str, tuple[Any, ...]] = {}
    for step in _script():
        reply = await surface.call(
            step.method,
            step.path.format(**known),
            _filled(step.body, known),
            data=step.data,
            who=None if step.nobody else "administrator",
            headers={name: value.format(**known) for name, value in step.headers.items()},
        )
        if step.keep is not None:
            known[step.keep] = _kept(step.keep, reply)
        http, said, body = _told(reply, folder)
        rows = (
            sorted(body.strip(b"[]").replace(b"},{", b"},,{").split(b",,"))
            if step.any_order
            else body
        )
        told[step.what] = (http, said, rows)
    return told


def _kept(name: str, reply: Reply) -> str:
    if name == "location":
        return path_of(reply)
    if name == "version":
        return str(reply.body[-1]["version"])
    return str(reply.body[name])


def _filled(body: Any, known: Mapping[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, known) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, known) for value in body]
    return body.format(**known) if isinstance(body, str) else body


def _told(reply: Reply, folder: str) -> tuple[Any, ...]:
    said = {name: reply.headers[name] for name in _SAID if name in reply.headers}
    body = reply.raw
    if len(body) < 5000:
        body = _ANOTHER_EACH_TIME.sub(b"...", body.replace(folder.encode(), b"folder"))
    return reply.http, said, body
