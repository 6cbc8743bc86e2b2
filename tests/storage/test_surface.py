"""What a client does not show of the surface: ranges, caches, limits, cut lines, the audit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from mentalspace.practice.identity import session_hash
from tests.api.conftest import written
from tests.house import until
from tests.storage.conftest import PDF, PNG, Surface, set_otherwise

BUCKET = "client-documents"


async def test_a_stretch_of_a_file(surface: Surface) -> None:
    """Ranges from the front, the middle and the end; one beyond the end is told the size."""
    place = f"{BUCKET}/{surface.alma}/range.png"
    await surface.put(place, PNG)
    whole = await surface.call("GET", f"/object/{place}")
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(PNG)
    for asked, start, end in (
        ("bytes=0-9", 0, 10), ("bytes=500-", 500, size), ("bytes=-7", size - 7, size),
        ("bytes=10-99999", 10, size),
    ):  # fmt: skip
        part = await surface.call("GET", f"/object/{place}", headers={"Range": asked})
        assert (part.http, part.raw) == (206, PNG[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for ignored in ("bytes=5-2", "bytes=0-1,5-6", "lines=1-2"):
        part = await surface.call("GET", f"/object/{place}", headers={"Range": ignored})
        assert (part.http, part.raw) == (200, PNG)
    beyond = await surface.call("GET", f"/object/{place}", headers={"Range": "bytes=99999-"})
    assert (beyond.http, beyond.told[0]) == (416, "416")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    newer = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert (await surface.call("GET", f"/object/{place}", headers=newer)).raw == PNG


async def test_a_browser_keeps_what_it_has(surface: Surface) -> None:
    """The digest is the ETag: unchanged is 304; HEAD says the same without the bytes; nobody
    between may keep a copy, and nothing is guessed of the type."""
    place = f"{BUCKET}/{surface.alma}/etag.pdf"
    await surface.put(place, PDF, cache_control="max-age=77")
    got = await surface.call("GET", f"/object/authenticated/{place}")
    assert got.headers["cache-control"] == "private, max-age=77"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-disposition"] == "inline"
    head = await surface.call("HEAD", f"/object/{place}")
    assert (head.http, head.raw, head.headers["etag"]) == (200, b"", got.headers["etag"])
    assert head.headers["content-length"] == str(len(PDF))
    same = await surface.call(
        "GET", f"/object/{place}", headers={"If-None-Match": got.headers["etag"]}
    )
    assert (same.http, same.raw) == (304, b"")


async def test_only_what_is_shown_is_shown(surface: Surface) -> None:
    """A type that a browser need not show is saved, whatever the address says."""
    await surface.call("POST", "/bucket", {"name": "notes"})
    await surface.put("notes/a.txt", b"plain words", content_type="text/plain")
    got = await surface.call("GET", "/object/notes/a.txt")
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''a.txt"
    for active in (b"<!DOCTYPE html>", b"\xef\xbb\xbf <SVG onload=x>", b"#!/bin/sh"):
        sent = await surface.put("notes/b.txt", active, content_type="text/plain")
        assert sent.told == ("415", "invalid_mime_type")


async def test_a_list_by_get(surface: Surface) -> None:
    """The list as the seed's runbook asks for it, by GET, is the same list."""
    await surface.put(f"{BUCKET}/{surface.ben}/get/a.png", PNG)
    got = await surface.call("GET", f"/object/list/{BUCKET}?prefix={surface.ben}/get&limit=5")
    assert [row["name"] for row in got.body] == ["a.png"]


@pytest.mark.parametrize("announced", [True, False])
async def test_too_large_is_told_before_it_is_taken(surface: Surface, announced: bool) -> None:
    """More than the bucket takes is refused, from the length or while it comes, and the answer is
    read by a client that is still sending; nothing of it stays."""
    place = f"{BUCKET}/{surface.alma}/large-{announced}.pdf"
    before = surface.files()

    async def stream() -> AsyncIterator[bytes]:
        yield PDF
        for _ in range(52):
            yield bytes(1_000_000)

    headers = {"content-type": "application/pdf"}
    data = PDF + bytes(52_000_000) if announced else stream()
    sent = await surface.call("POST", f"/object/{place}", data=data, headers=headers)
    assert (sent.http, sent.told) == (400, ("413", "Payload too large"))
    assert surface.files() == before


async def test_an_interrupted_upload_was_never_there(surface: Surface) -> None:
    """A line that is cut in the middle leaves no row and no bytes, and the name is free."""
    place = f"{BUCKET}/{surface.alma}/cut.pdf"
    before = surface.files()
    host = urlsplit(surface.url)
    _, writer = await asyncio.open_connection(host.hostname, host.port)
    head = (
        f"POST /storage/v1/object/{place} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {surface.token()}\r\nContent-Type: application/pdf\r\n"
        "Content-Length: 9000000\r\n\r\n"
    )
    writer.write(head.encode() + PDF + bytes(3_000_000))
    await writer.drain()
    await until(lambda: _landing(surface))
    writer.transport.abort()
    await until(lambda: _no_landing(surface))
    assert surface.files() == before
    assert (await surface.call("GET", f"/object/{place}")).told == ("404", "not_found")
    assert (await surface.put(place)).http == 200


async def _landing(surface: Surface) -> bool:
    return any(
        path.is_file() and path.stat().st_size
        for path in (surface.shelf.root / "landing").iterdir()
    )


async def _no_landing(surface: Surface) -> bool:
    return not await _landing(surface)


async def test_what_the_disk_spoilt_is_not_given_out(surface: Surface) -> None:
    """Bytes that are not those that came break off before their end; lost ones are an error."""
    place = f"{BUCKET}/{surface.alma}/spoilt.pdf"
    await surface.put(place)
    version = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    path = surface.shelf.place(surface.lakeside, version)
    path.write_bytes(PDF[:-1] + b"?")
    with pytest.raises(aiohttp.ClientPayloadError):
        await surface.call("GET", f"/object/{place}")
    path.unlink()
    lost = await surface.call("GET", f"/object/{place}")
    assert (lost.http, lost.told) == (500, ("500", "internal"))


async def test_links_do_one_thing(surface: Surface) -> None:
    """A link to read puts nothing in, one to put in reads nothing, neither serves another file,
    and a log-in's token is no link."""
    place, other = f"{BUCKET}/{surface.alma}/one.pdf", f"{BUCKET}/{surface.alma}/two.pdf"
    await surface.put(place)
    await surface.put(other)
    read = (await surface.call("POST", f"/object/sign/{place}", {"expiresIn": 60})).body
    token = read["signedURL"].partition("token=")[2]
    free = f"{BUCKET}/{surface.alma}/free.pdf"
    made = (await surface.call("POST", f"/object/upload/sign/{free}")).body
    tries = [
        ("GET", f"/object/sign/{other}?token={token}", "InvalidSignature"),
        ("PUT", f"/object/upload/sign/{place}?token={token}", "InvalidSignature"),
        ("GET", f"/object/sign/{free}?token={made['token']}", "InvalidSignature"),
        ("GET", f"/object/sign/{place}?token={surface.token()}", "InvalidJWT"),
        ("GET", f"/object/sign/{place}?token={token[:-4]}AAAA", "InvalidJWT"),
        ("GET", f"/object/sign/{place}", "InvalidJWT"),
    ]
    for method, address, error in tries:
        got = await surface.call(method, address, who=None, data=PDF if method == "PUT" else None)
        assert (got.http, got.told) == (400, ("400", error)), address
    link_as_token = await surface.call(
        "GET", f"/object/{place}", who=None, headers={"Authorization": f"Bearer {token}"}
    )
    assert link_as_token.told == ("403", "Unauthorized")


async def test_a_link_ends(surface: Surface) -> None:
    """After its time by our own clock a link is dead; so it is once its maker may not read the
    file any more."""
    place = f"{BUCKET}/{surface.alma}/ends.pdf"
    await surface.put(place, who="clinician")
    signed = await surface.call(
        "POST", f"/object/sign/{place}", {"expiresIn": "60"}, who="clinician"
    )
    url = signed.body["signedURL"]
    assert (await surface.call("GET", url, who=None)).raw == PDF
    await surface.admin.execute(
        "update appointment set status = 'cancelled' where external_id = 'a'"
    )
    try:
        gone = await surface.call("GET", url, who=None)
        assert gone.told == ("404", "not_found")
    finally:
        await surface.admin.execute(
            "update appointment set status = 'scheduled' where external_id = 'a'"
        )
    async with surface.services.database.as_dispatcher() as connection:
        await connection.fetchval("select app.advance_clock($1)", timedelta(seconds=61))
    await until(lambda: _expired(surface, url))


async def _expired(surface: Surface, url: str) -> bool:
    got = await surface.call("GET", url, who=None)
    return got.http == 400 and "timestamp check failed" in got.body["message"]


async def test_who_is_nobody(surface: Surface) -> None:
    """No token, a token that ended, and one whose account was closed are refused."""
    place = f"/object/{BUCKET}/{surface.alma}/x.pdf"
    none = await surface.call("GET", place, who=None)
    assert (none.http, none.told) == (400, ("400", "Error"))
    assert none.body["message"] == "headers must have required property 'authorization'"
    old = surface.token(lifetime=timedelta(seconds=-1))
    ended = await surface.call("GET", place, who=None, headers={"Authorization": f"Bearer {old}"})
    assert ended.body["message"] == '"exp" claim timestamp check failed'
    await surface.admin.execute("update app_user set active = false where email like 'biller@%'")
    closed = await surface.call("GET", place, who="biller")
    await surface.admin.execute("update app_user set active = true where email like 'biller@%'")
    assert closed.told == ("403", "Unauthorized")


async def test_a_page_of_the_console_comes_with_its_session(surface: Surface) -> None:
    """The cookie and the session's token together are as good as a bearer's token, and only as
    long as the session is; the cookie alone, which a browser also sends for others, is nobody."""
    person, place = surface.who["front_desk"], f"/object/{BUCKET}/{surface.alma}/session.pdf"
    await surface.admin.execute(
        "insert into session (id_hash, user_id, practice_id, role, csrf)"
        " values ($1, $2, $3, 'front_desk', 'its-token')",
        session_hash("a-cookie"), person.user_id, person.practice_id,
    )  # fmt: skip
    cookie = {"Cookie": "ms_session=a-cookie", "Content-Type": "application/pdf"}

    async def put(**more: str) -> tuple[str, str]:
        sent = cookie | {name.replace("_", "-"): value for name, value in more.items()}
        reply = await surface.call("POST", place, who=None, data=PDF, headers=sent)
        return ("200", "") if reply.http == 200 else (reply.told[0], reply.body["message"])

    assert (await put())[1] == "headers must have required property 'authorization'"
    assert (await put(x_csrf_token="another"))[0] == "403"
    assert await put(x_csrf_token="its-token") == ("200", "")
    alone = await surface.call("GET", place, who=None, headers=cookie)
    assert alone.told[0] == "400"
    await surface.admin.execute("update session set ended_at = now() where csrf = 'its-token'")
    assert await put(x_csrf_token="its-token") == ("403", "The session has ended; log in")


async def test_the_true_status_for_whoever_asks_for_it(surface: Surface) -> None:
    """With the setting, HTTP says what the body says: 401, 403, 404, 409, 413, 415."""
    async with set_otherwise(surface, storage_true_status=True) as true:
        place = f"{BUCKET}/{surface.alma}/true.pdf"
        await true.put(place)
        large = PDF + bytes(50_000_000)
        got = [
            await true.call("GET", f"/object/{place}", who=None),
            await true.call(
                "GET", f"/object/{place}", who=None, headers={"Authorization": "Bearer a.b.c"}
            ),
            await true.put(f"{BUCKET}/{surface.mia}/x.pdf"),
            await true.call("GET", f"/object/{place}x"),
            await true.put(place),
            await true.put(f"{BUCKET}/{surface.alma}/large.pdf", large),
            await true.put(f"{BUCKET}/{surface.alma}/t.png", PDF, content_type="image/png"),
        ]
    assert [one.http for one in got] == [401, 401, 403, 404, 409, 413, 415]
    assert [one.told[0] for one in got] == [str(one.http) for one in got]


async def test_names_that_are_none(surface: Surface) -> None:
    """A key with a letter of another script, or with dotted or empty steps, is refused, and is not
    repeated; a word of an address is no bucket."""
    for name in ("J%C3%B6rg.pdf", "a//b.pdf", "%2e%2e/x.pdf", "a/%2e/b.pdf", "x" * 1025):
        sent = await surface.put(f"{BUCKET}/{surface.alma}/{name}")
        assert sent.told == ("400", "InvalidKey"), name
        assert "rg.pdf" not in sent.body["message"]
    assert (await surface.call("POST", "/bucket", {"name": "list"})).told[0] == "400"
    nowhere = await surface.call("GET", "/render/image/authenticated/a/b")
    assert nowhere.told == ("404", "not_found")


async def test_everything_is_written_down_and_names_are_not(surface: Surface, logs: Path) -> None:
    """Each reading and writing is an entry of the practice's chain with the file's id; neither it
    nor the log has the file's name, and the chain holds."""
    name = f"Zebulon-Quux-{time.monotonic_ns()}.pdf"
    place = f"{BUCKET}/{surface.alma}/{name}"
    kept = (await surface.put(place)).body["Id"]
    await surface.call("GET", f"/object/{place}", who="client")
    await surface.call("GET", f"/object/{place}", who="biller")
    await surface.call("GET", f"/object/info/{place}")
    signed = await surface.call("POST", f"/object/sign/{place}", {"expiresIn": 9})
    await surface.call("GET", signed.body["signedURL"], who=None)
    await surface.call("DELETE", f"/object/{place}")
    for action in ("stored", "read", "looked_up", "link_made", "deleted"):
        [entry, *_] = await surface.entries(f"document_{action}")
        assert entry["subject"] == kept, action
        assert entry["data"]["bucket"] == BUCKET
    by_link, by_client = (await surface.entries("document_read"))[:2]
    assert by_link["data"]["by"] == "link"
    assert by_client["actor"] == str(surface.who["client"].user_id)
    [refused, *_] = await surface.entries("document_refused")
    assert refused["data"]["policy"] == "biller_cards"
    everything = json.dumps([dict(r) for r in await surface.admin.fetch("select data from audit")])
    assert "Zebulon" not in everything
    assert "Zebulon" not in written(logs)
    assert await surface.admin.fetch("select * from app.broken_audit()") == []
