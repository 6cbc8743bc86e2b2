"""Links that open one object for a while: to read it, or to upload it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.keys import read, sign
from mentalspace.integrations.storage.supabase.sandbox.objects import (
    bucket_of,
    find,
    serve,
    store,
    valid_key,
)
from mentalspace.integrations.storage.supabase.sandbox.visit import Asker, Handler, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import PREFIX, Json

_DOWNLOAD, _UPLOAD = "download", "upload"
# source: https://supabase.com/docs/reference/javascript/storage-from-createsigneduploadurl
UPLOAD_VALID_S = 2 * 3600


def _sign(visit: Visit) -> Reply:
    find(visit)
    link = _link(visit, visit.name, _expires_in(visit.json()))
    return json_reply(200, {"signedURL": link})


def _sign_many(visit: Visit) -> Reply:
    body = visit.json()
    paths = body.get("paths")
    if not isinstance(paths, list) or not paths:
        raise Problem("InvalidRequest", "body must have required property 'paths'")
    bucket_of(visit)
    return json_reply(200, [_signed_one(visit, str(path), _expires_in(body)) for path in paths])


def _signed_one(visit: Visit, path: str, expires_in: int) -> Json:
    row = visit.shelves.object(visit.account, visit.bucket, path)
    if row is None or not visit.may("select"):
        text = "Either the object does not exist or you do not have access to it"
        return {"error": text, "path": path, "signedURL": None}
    return {"error": None, "path": path, "signedURL": _link(visit, path, expires_in)}


def _link(visit: Visit, name: str, expires_in: int) -> str:
    token = _token(visit, {"url": f"{visit.bucket}/{name}", "scope": _DOWNLOAD}, expires_in)
    return f"/object/sign/{visit.bucket}/{quote(name)}?token={token}"


def _open(visit: Visit) -> Reply:
    _holds(visit, _DOWNLOAD)
    row = visit.shelves.object(visit.account, visit.bucket, visit.name)
    if row is None:
        raise Problem("NoSuchKey")
    return serve(visit, row)


def _sign_upload(visit: Visit) -> Reply:
    name = valid_key(visit.name)
    bucket_of(visit)
    visit.demand("insert")
    upsert = visit.header("x-upsert") == "true"
    if visit.shelves.object(visit.account, visit.bucket, name) is not None and not upsert:
        raise Problem("KeyAlreadyExists")
    claims = {
        "url": f"{visit.bucket}/{name}",
        "scope": _UPLOAD,
        "upsert": upsert,
        "owner": visit.asker.subject,
    }
    token = _token(visit, claims, UPLOAD_VALID_S)
    url = f"/object/upload/sign/{visit.bucket}/{quote(name)}?token={token}"
    return json_reply(200, {"url": url, "token": token})


def _upload_signed(visit: Visit) -> Reply:
    """The link is the permission: no policy is asked."""
    claims = _holds(visit, _UPLOAD)
    signer = replace(visit, asker=Asker("service_role", claims.get("owner")))
    return store(signer, upsert=claims.get("upsert") is True)


def _token(visit: Visit, claims: Json, expires_in: int) -> str:
    now = int(visit.now.timestamp())
    return sign(visit.account, {**claims, "iat": now, "exp": now + expires_in})


def _holds(visit: Visit, scope: str) -> Json:
    """The claims of the link's token. Raises Problem; what opens for reading opens nothing else."""
    try:
        claims = read(visit.account, visit.query("token") or "", visit.now)
    except Problem as error:
        raise Problem("InvalidJWT", error.message) from error
    if claims.get("scope", _DOWNLOAD) != scope or claims.get("url") != _place(visit):
        raise Problem("InvalidSignature")
    return claims


def _place(visit: Visit) -> str:
    return f"{visit.bucket}/{visit.name}"


def _expires_in(body: Json) -> int:
    value = body.get("expiresIn")
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or value < 1:
        raise Problem("InvalidRequest", "body/expiresIn must be >= 1")
    return value


_ONE = "{bucket}/{name:path}"
# These are opened by whoever has the link: no key is asked for.
OPEN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{PREFIX}/object/sign/{_ONE}", _open),
    ("HEAD", f"{PREFIX}/object/sign/{_ONE}", _open),
    ("PUT", f"{PREFIX}/object/upload/sign/{_ONE}", _upload_signed),
)
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", f"{PREFIX}/object/upload/sign/{_ONE}", _sign_upload),
    ("POST", f"{PREFIX}/object/sign/{_ONE}", _sign),
    ("POST", f"{PREFIX}/object/sign/{{bucket}}", _sign_many),
)
