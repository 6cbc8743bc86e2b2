"""Supabase Storage as the sandbox plays it: what it keeps, what it refuses, and in which words."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tracemalloc
from typing import Any

import aiohttp
import jwt
import pytest

from mentalspace.integrations.storage.supabase.sandbox import demo_token
from mentalspace.integrations.storage.supabase.sandbox.keys import sign
from mentalspace.integrations.storage.tests.conftest import AUTHORISED, BUCKET, KEY, Project
from mentalspace.sandbox.running import running_sandbox

HELLO_MD5 = '"8b1a9953c4611296a827abf8c47804d7"'


async def test_an_object_is_kept_described_and_given_back(project: Project) -> None:
    """Bytes, type, sum and the user's own metadata come back as they went; a second is refused."""
    metadata = base64.b64encode(json.dumps({"of": "a test"}).encode()).decode()
    status, answer = await project.put("a/b.txt", headers={"x-metadata": metadata})
    assert (status, answer["Key"]) == (200, f"{BUCKET}/a/b.txt")
    status, headers, content = await project.raw("GET", f"/object/{BUCKET}/a/b.txt")
    assert (status, content, headers["etag"]) == (200, b"Hello", HELLO_MD5)
    assert headers["content-type"] == "text/plain"
    status, info = await project.call("GET", f"/object/info/{BUCKET}/a/b.txt")
    assert (info["size"], info["etag"], info["metadata"]) == (5, HELLO_MD5, {"of": "a test"})
    status, headers, content = await project.raw("HEAD", f"/object/authenticated/{BUCKET}/a/b.txt")
    assert (status, headers["content-length"], content) == (200, "5", b"")
    status, refusal = await project.put("a/b.txt", b"Other")
    assert (status, refusal["statusCode"], refusal["error"]) == (400, "409", "Duplicate")
    assert (await project.put("a/b.txt", b"Other", {"x-upsert": "true"}))[0] == 200
    assert (await project.raw("GET", f"/object/{BUCKET}/a/b.txt"))[2] == b"Other"


async def test_a_part_is_given_and_a_copy_that_is_known_is_not(project: Project) -> None:
    """Ranges from the front, from the back and none; `If-None-Match`; a name to save it under."""
    await project.put("f", b"0123456789")
    for asked, status, content in (
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=4-400", 206, b"456789"),
        ("bytes=11-12", 416, None),
    ):
        found = await project.raw(
            "GET", f"/object/{BUCKET}/f", None, {**AUTHORISED, "range": asked}
        )
        assert found[0] == status, asked
        assert content is None or found[2] == content, asked
    etag = (await project.raw("HEAD", f"/object/{BUCKET}/f"))[1]["etag"]
    known = {**AUTHORISED, "if-none-match": etag}
    assert (await project.raw("GET", f"/object/{BUCKET}/f", None, known))[0] == 304
    saved = await project.raw("GET", f"/object/{BUCKET}/f?download=a%20b.pdf")
    assert saved[1]["content-disposition"] == "attachment; filename*=UTF-8''a%20b.pdf"


async def test_a_form_is_taken_apart(project: Project) -> None:
    """The file's own type, its caching and metadata, whatever the order of the parts."""
    form = aiohttp.FormData()
    form.add_field("cacheControl", "60")
    form.add_field("", b"%PDF-1.7", filename="scan.pdf", content_type="application/pdf")
    form.add_field("metadata", '{"page": 1}')
    status, _answer = await project.call("POST", f"/object/{BUCKET}/scan", form)
    assert status == 200
    _status, info = await project.call("GET", f"/object/info/{BUCKET}/scan")
    assert (info["content_type"], info["cache_control"]) == ("application/pdf", "max-age=60")
    assert (info["size"], info["metadata"]) == (8, {"page": 1})


@pytest.mark.parametrize(
    ("path", "headers", "told", "code", "message"),
    [
        (f"{BUCKET}/ключ", {}, "400", "InvalidKey", "Invalid key: ключ"),
        ("no-such/a", {}, "404", "NoSuchBucket", "Bucket not found"),
        (f"{BUCKET}/a", {"content-type": "text/html"}, "415", "InvalidMimeType", None),
        (f"{BUCKET}/big", {}, "413", "EntityTooLarge", None),
    ],
)
async def test_a_refusal_says_400_outside_and_the_truth_inside(
    project: Project, path: str, headers: dict[str, str], told: str, code: str, message: str | None
) -> None:
    """In Supabase's words; nothing is kept of what was refused."""
    limits = {"file_size_limit": "1KB", "allowed_mime_types": ["text/plain", "application/*"]}
    assert (await project.call("PUT", f"/bucket/{BUCKET}", limits))[0] == 200
    content = b"x" * 1001 if path.endswith("big") else b"x"
    sent = {**AUTHORISED, "content-type": "text/plain", **headers}
    status, body = await project.call("POST", f"/object/{path}", content, sent)
    assert (status, body["statusCode"], body["code"]) == (400, told, code)
    assert message is None or body["message"] == message
    assert (await project.call("POST", f"/object/list/{BUCKET}", {}))[1] == []


async def test_one_may_wish_for_the_true_status(project: Project) -> None:
    """An option that Supabase does not have."""
    project.account(true_status=True)
    assert (await project.call("GET", f"/object/{BUCKET}/none"))[0] == 404


def _headers(token: str) -> dict[str, str]:
    return {"apikey": KEY, "authorization": f"Bearer {token}"}


async def test_who_asks_is_read_from_key_or_token(project: Project) -> None:
    """A secret key, an older service token, a user whom policies let in or not, and no key."""
    account = project.account(policies={BUCKET: {"authenticated": ["insert", "select"]}})
    user = sign(account, {"role": "authenticated", "sub": "u-1", "exp": 4102444800})
    stale = sign(account, {"role": "authenticated", "exp": 1})
    forged = jwt.encode({"role": "service_role", "exp": 4102444800}, "k" * 32, "HS256")
    upload = f"/object/{BUCKET}/"
    assert (await project.call("POST", upload + "1", b"x", {"apikey": KEY}))[0] == 200
    assert (await project.call("POST", upload + "2", b"x", _headers(user)))[0] == 200
    status, denied = await project.call("DELETE", upload + "2", None, _headers(user))
    assert (status, denied["statusCode"]) == (400, "403")
    assert await project.call(
        "DELETE", f"/object/{BUCKET}", {"prefixes": ["2"]}, _headers(user)
    ) == (
        200,
        [],
    )
    anon = sign(account, {"role": "anon", "exp": 4102444800})
    status, refused = await project.call("POST", upload + "3", b"x", _headers(anon))
    assert refused["message"] == "new row violates row-level security policy"
    assert (await project.call("GET", upload + "1", None, _headers(anon)))[1]["code"] == "NoSuchKey"
    for token, message in (
        ("nonsense", "Invalid Compact JWS"),
        (forged, "signature verification failed"),
        (stale, '"exp" claim timestamp check failed'),
    ):
        status, body = await project.call("POST", upload + "4", b"x", _headers(token))
        assert (status, body["statusCode"], body["message"]) == (400, "403", message)
    assert (await project.call("POST", upload + "5", b"x", {"apikey": "sb_secret_no"}))[0] == 401
    status, body = await project.call("POST", upload + "6", b"x", {})
    assert body["message"] == "headers must have required property 'authorization'"
    demo = {"authorization": f"Bearer {demo_token('service_role')}"}
    assert (await project.call("GET", "/bucket", None, demo))[0] == 200


async def test_links_open_one_thing_for_a_while(project: Project) -> None:
    """Without a key, for reading or for uploading and not the other, until they end."""
    await project.put("a b.txt")
    _status, signed = await project.call(
        "POST", f"/object/sign/{BUCKET}/a%20b.txt", {"expiresIn": 60}
    )
    link = signed["signedURL"]
    assert (await project.raw("GET", link, None, {}))[2] == b"Hello"
    _status, many = await project.call(
        "POST", f"/object/sign/{BUCKET}", {"expiresIn": 60, "paths": ["a b.txt", "none"]}
    )
    assert [bool(each["signedURL"]) for each in many] == [True, False]
    _status, given = await project.call("POST", f"/object/upload/sign/{BUCKET}/new", {})
    wrong = f"/object/sign/{BUCKET}/new?token={given['token']}"
    status, body = await project.call("GET", wrong, None, {})
    assert (status, body["code"]) == (400, "InvalidSignature")
    other = link.replace("a%20b.txt", "other.txt")
    assert (await project.call("GET", other, None, {}))[1]["code"] == "InvalidSignature"
    assert (await project.call("PUT", given["url"], b"New", {}))[0] == 200
    assert (await project.raw("GET", f"/object/{BUCKET}/new"))[2] == b"New"
    project.later(61)
    status, body = await project.call("GET", link, None, {})
    assert (body["code"], body["message"]) == ("InvalidJWT", '"exp" claim timestamp check failed')


async def test_lists_by_folder_and_by_cursor(project: Project) -> None:
    """Folders are rows without an id; the second API goes on from where it was."""
    for name in ("a/1", "a/2", "a/deep/3", "b"):
        await project.put(name)
    _status, top = await project.call("POST", f"/object/list/{BUCKET}", {"prefix": ""})
    assert [(row["name"], row["id"] is None) for row in top] == [("a", True), ("b", False)]
    order = {"column": "name", "order": "desc"}
    _status, inner = await project.call(
        "POST", f"/object/list/{BUCKET}", {"prefix": "a", "limit": 2, "sortBy": order}
    )
    assert [row["name"] for row in inner] == ["deep", "2"]
    body: dict[str, Any] = {"prefix": "a/", "limit": 2, "with_delimiter": True}
    _status, first = await project.call("POST", f"/object/list-v2/{BUCKET}", body)
    assert [row["name"] for row in first["objects"]] == ["a/1", "a/2"]
    assert first["hasNext"]
    body["cursor"] = first["nextCursor"]
    _status, rest = await project.call("POST", f"/object/list-v2/{BUCKET}", body)
    assert ([row["name"] for row in rest["folders"]], rest["hasNext"]) == (["a/deep/"], False)


async def test_objects_are_copied_moved_and_deleted(project: Project) -> None:
    """Each under its new name with the same bytes; what went is gone, one by one and together."""
    await project.put("a")
    where = {"bucketId": BUCKET, "sourceKey": "a"}
    copied = {**where, "destinationKey": "b", "destinationBucket": "test-documents"}
    assert (await project.call("POST", "/object/copy", copied))[0] == 200
    assert (await project.raw("GET", "/object/test-documents/b"))[2] == b"Hello"
    assert (await project.call("POST", "/object/copy", copied))[1]["error"] == "Duplicate"
    moved = {**where, "destinationKey": "c"}
    assert (await project.call("POST", "/object/move", moved))[1]["message"] == "Successfully moved"
    assert (await project.call("GET", f"/object/{BUCKET}/a"))[1]["error"] == "not_found"
    assert (await project.raw("GET", f"/object/{BUCKET}/c"))[2] == b"Hello"
    status, body = await project.call("DELETE", f"/object/{BUCKET}/c")
    assert (status, body) == (200, {"message": "Successfully deleted"})
    await project.put("d")
    _status, gone = await project.call("DELETE", f"/object/{BUCKET}", {"prefixes": ["d", "none"]})
    assert [row["name"] for row in gone] == ["d"]


async def test_buckets_are_made_and_guarded(project: Project) -> None:
    """A full one stays, an empty one goes; only a public one is read without a key."""
    bucket = {"id": "cards", "name": "cards", "public": True, "file_size_limit": "1MB"}
    assert (await project.call("POST", "/bucket", bucket))[1] == {"name": "cards"}
    assert (await project.call("GET", "/bucket/cards"))[1]["file_size_limit"] == 1_000_000
    assert (await project.call("POST", "/bucket", bucket))[1]["statusCode"] == "409"
    await project.call("POST", "/object/cards/1", b"Card", {**AUTHORISED})
    assert (await project.raw("GET", "/object/public/cards/1", None, {}))[2] == b"Card"
    await project.put("private")
    assert (await project.raw("GET", f"/object/public/{BUCKET}/private", None, {}))[0] == 400
    assert (await project.call("DELETE", "/bucket/cards"))[1]["error"] == "ResourceNotEmpty"
    assert (await project.call("POST", "/bucket/cards/empty"))[0] == 200
    assert (await project.call("DELETE", "/bucket/cards"))[0] == 200
    assert (await project.call("GET", "/bucket/cards"))[1]["code"] == "NoSuchBucket"
    names = [row["id"] for row in (await project.call("GET", "/bucket"))[1]]
    assert "cards" not in names
    assert BUCKET in names


async def test_what_was_taken_outlives_the_sandbox(project: Project) -> None:
    """Object, bytes and buckets are there after a restart."""
    await project.put("kept", b"Kept")
    state = project.folder / "sandbox"
    copy = project.folder / "copy"
    await asyncio.to_thread(shutil.copytree, state, copy)
    async with running_sandbox(copy, rooms=["storage"]) as again:
        other = Project(again, project.http, project.folder)
        assert (await other.raw("GET", f"/object/{BUCKET}/kept"))[2] == b"Kept"


async def test_a_large_object_is_never_in_memory(project: Project) -> None:
    """Thirty megabytes come and go with a tenth of that at hand, and nothing is left in between."""
    size, piece = 30 * 1024 * 1024, b"\x5a" * 65_536

    async def pieces() -> Any:
        for _ in range(size // len(piece)):
            yield piece

    url = f"{project.base_url}/storage/v1/object/{BUCKET}/large"
    tracemalloc.start()
    try:
        async with project.http.post(url, data=pieces(), headers=AUTHORISED) as answer:
            assert answer.status == 200
        read = 0
        async with project.http.get(url, headers=AUTHORISED) as answer:
            async for part in answer.content.iter_any():
                read += len(part)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == size
    assert peak < size / 10
    assert list(project.sandbox.world.emulators[0].spool.iterdir()) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fault", "http", "told"),
    [
        ({"http": 500}, 500, "500"),
        ({"http": 544}, 544, "544"),
        ({"http": 429}, 429, "429"),
        ({"http": 400, "name": "Duplicate"}, 400, "409"),
        ({"http": 402}, 402, None),
        ({"http": 401}, 401, None),
    ],
)
async def test_an_injected_refusal_comes_as_supabase_words_it(
    project: Project, fault: dict[str, Any], http: int, told: str | None
) -> None:
    """Storage's own under 400 or its status; the platform's without a status in the body."""
    project.fault(kind="status", **fault)
    status, body = await project.put("a")
    assert (status, body.get("statusCode")) == (http, told)
    assert (await project.put("a"))[0] == 200
