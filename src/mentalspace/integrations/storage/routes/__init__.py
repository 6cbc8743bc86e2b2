"""Supabase Storage's addresses, under /storage/v1, over PostgreSQL and a disk."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.integrations.storage.model import PREFIX
from mentalspace.integrations.storage.refusal import NO_ROUTE, Refused
from mentalspace.integrations.storage.routes import (
    bucket,
    change,
    download,
    guarded,
    holds,
    label,
    listing,
    resumable,
    sealed,
    shredding,
    signed,
    upload,
    versions,
)
from mentalspace.integrations.storage.routes.answer import Handler, refusal, served


async def _status(_request: Request) -> Response:
    return Response()


async def _nowhere(_request: Request) -> Response:
    raise Refused(NO_ROUTE)


# In this order: an address is the first that fits. Words come before buckets.
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET",      "/status",                                     _status),
    ("GET",      "/bucket",                                     bucket.list_all),
    ("POST",     "/bucket",                                     bucket.create),
    ("GET",      "/bucket/{bucket}",                            bucket.get),
    ("PUT",      "/bucket/{bucket}",                            bucket.update),
    ("DELETE",   "/bucket/{bucket}",                            bucket.delete),
    ("POST",     "/bucket/{bucket}/empty",                      bucket.empty),
    ("GET",      "/sealed",                                     sealed.list_sealed),
    ("POST",     "/sealed/{bucket}/{name:path}",                sealed.release),
    ("PUT",      "/label/{bucket}/{name:path}",                 label.put),
    ("DELETE",   "/label/{bucket}/{name:path}",                 label.take_off),
    ("GET",      "/versions/{bucket}/{name:path}",              versions.list_versions),
    ("GET",      "/deleted/{bucket}",                           versions.list_deleted),
    ("GET HEAD", "/version/{version}",                          versions.read),
    ("POST",     "/version/{version}/restore",                  versions.restore),
    ("GET",      "/holds",                                      holds.list_all),
    ("POST",     "/hold",                                       holds.hold),
    ("POST",     "/hold/{id}/lift",                             holds.lift),
    ("POST",     "/shred",                                      shredding.shred),
    ("POST",     "/link",                                       guarded.use),
    ("DELETE",   "/link/{id}",                                  guarded.end),
    ("GET",      "/links/{bucket}/{name:path}",                 guarded.list_open),
    ("DELETE",   "/links/{bucket}/{name:path}",                 guarded.end_all),
    ("POST",     "/object/copy",                                change.copy),
    ("POST",     "/object/move",                                change.move),
    ("POST",     "/object/list/{bucket}",                       listing.list_posted),
    ("GET",      "/object/list/{bucket}",                       listing.list_asked),
    ("POST",     "/object/list-v2/{bucket}",                    listing.list_by_cursor),
    ("POST",     "/object/sign/{bucket}",                       signed.sign_many),
    ("POST",     "/object/sign/{bucket}/{name:path}",           signed.sign),
    ("GET HEAD", "/object/sign/{bucket}/{name:path}",           download.download_by_link),
    ("POST",     "/object/upload/sign/{bucket}/{name:path}",    signed.sign_upload),
    ("PUT",      "/object/upload/sign/{bucket}/{name:path}",    upload.upload_by_link),
    ("GET HEAD", "/object/public/{bucket}/{name:path}",         download.download_public),
    ("GET HEAD", "/object/authenticated/{bucket}/{name:path}",  download.download),
    ("GET HEAD", "/object/info/public/{bucket}/{name:path}",    download.download_public),
    ("GET",      "/object/info/authenticated/{bucket}/{name:path}", download.info),
    ("GET",      "/object/info/{bucket}/{name:path}",           download.info),
    ("DELETE",   "/object/{bucket}",                            change.delete_many),
    ("GET HEAD", "/object/{bucket}/{name:path}",                download.download),
    ("POST",     "/object/{bucket}/{name:path}",                upload.upload),
    ("PUT",      "/object/{bucket}/{name:path}",                upload.update),
    ("DELETE",   "/object/{bucket}/{name:path}",                change.delete),
    ("GET HEAD POST PUT PATCH DELETE", "/{rest:path}",          _nowhere),
)  # fmt: skip

# Those that answer in plain text. The same again under /sign, with a link's token in x-signature.
_RESUMABLE: tuple[tuple[str, str, Handler], ...] = tuple(
    line
    for place in (f"{resumable.PLACE}/sign", resumable.PLACE)
    for line in (
        ("OPTIONS", place,            resumable.options),
        ("POST",    place,            resumable.create),
        ("OPTIONS", f"{place}/{{ref}}", resumable.options),
        ("PATCH",   f"{place}/{{ref}}", resumable.add),
        ("HEAD",    f"{place}/{{ref}}", resumable.look),
        ("DELETE",  f"{place}/{{ref}}", resumable.end),
        ("POST",    f"{place}/{{ref}}", resumable.overridden),
    )
)  # fmt: skip


def routes() -> APIRouter:
    """None of them stands in our API's description: they are Supabase's, and described there."""
    router = APIRouter(prefix=PREFIX)
    resumables = ((*line, resumable.refusal) for line in _RESUMABLE)
    for methods, path, handle, tell in (*resumables, *((*line, refusal) for line in ROUTES)):
        router.add_api_route(
            path,
            served(handle, tell),
            methods=methods.split(),
            include_in_schema=False,
            response_model=None,
        )
    return router
