"""Supabase's own Python client works against the surface, unmodified, and is the judge of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from tests.storage.conftest import JPEG, PDF, PNG, Surface

BUCKET = "client-documents"


@pytest.fixture
async def client(surface: Surface) -> Any:
    async with httpx.AsyncClient(timeout=20) as http:
        headers = {"Authorization": f"Bearer {surface.token()}"}
        yield AsyncStorageClient(f"{surface.base}/", headers, http_client=http)


def error_of(caught: pytest.ExceptionInfo[StorageApiError]) -> tuple[str, str]:
    return str(caught.value.status), caught.value.code


async def test_a_file_goes_in_and_comes_out(surface: Surface, client: Any) -> None:
    """Upload, download, info, exists: the bytes are the same and their description is right."""
    files, path = client.from_(BUCKET), f"{surface.alma}/intake form (1).pdf"
    kept = await files.upload(
        path,
        PDF,
        {
            "content-type": "application/pdf",
            "cache-control": "60",
            "metadata": {"display_name": "Ärzte"},
        },
    )
    assert kept.path == path
    assert kept.full_path == f"{BUCKET}/{path}"
    assert await files.download(path) == PDF
    info = await files.info(path)
    assert (info["name"], info["size"], info["content_type"]) == (path, len(PDF), "application/pdf")
    assert info["cache_control"] == "max-age=60"
    assert info["metadata"] == {"display_name": "Ärzte"}
    assert await files.exists(path) is True
    assert await files.exists(f"{surface.alma}/nothing.pdf") is False


async def test_a_second_upload_needs_to_say_so(surface: Surface, client: Any) -> None:
    """The same name again is a duplicate; with upsert, or as an update, it replaces the file, and
    the old bytes are kept."""
    files, path = client.from_(BUCKET), f"{surface.alma}/again.png"
    await files.upload(path, PNG, {"content-type": "image/png"})
    before = surface.files()
    with pytest.raises(StorageApiError) as caught:
        await files.upload(path, PNG, {"content-type": "image/png"})
    assert error_of(caught) == ("409", "Duplicate")
    await files.upload(path, JPEG, {"content-type": "image/jpeg", "upsert": "true"})
    assert await files.download(path) == JPEG
    await files.update(path, PNG, {"content-type": "image/png"})
    assert await files.download(path) == PNG
    assert len(surface.files()) == len(before) + 2
    made = f"{surface.alma}/made.png"
    await files.update(made, PNG, {"content-type": "image/png"})
    assert await files.download(made) == PNG


async def test_folders_are_listed(surface: Surface, client: Any) -> None:
    """Folders come without an id and before files; limit, offset, order and search do."""
    files, top = client.from_(BUCKET), f"{surface.ben}/list"
    for name in ("b.png", "a.png", "deep/c.png", "deep/er/d.png"):
        await files.upload(f"{top}/{name}", PNG, {"content-type": "image/png"})
    rows = await files.list(top)
    assert [(row["name"], row["id"] is None) for row in rows] == [
        ("deep", True), ("a.png", False), ("b.png", False),
    ]  # fmt: skip
    assert rows[1]["metadata"]["size"] == len(PNG)
    assert rows[1]["metadata"]["mimetype"] == "image/png"
    order = {"column": "name", "order": "desc"}
    rows = await files.list(top, {"limit": 2, "offset": 1, "sortBy": order})
    assert [row["name"] for row in rows] == ["b.png", "a.png"]
    assert [row["name"] for row in await files.list(top, {"search": "B"})] == ["b.png"]
    assert await files.list(f"{surface.ben}/nowhere") == []


async def test_a_long_list_goes_by_cursor(surface: Surface, client: Any) -> None:
    """The second way of listing gives every file once, a page after another, in either order."""
    files, top = client.from_(BUCKET), f"{surface.ben}/cursor"
    for name in ("1.png", "2/x.png", "2/y.png", "3.png"):
        await files.upload(f"{top}/{name}", PNG, {"content-type": "image/png"})
    for order in ("asc", "desc"):
        seen: list[str] = []
        asked: dict[str, Any] = {
            "prefix": f"{top}/", "limit": 2, "sortBy": {"column": "name", "order": order},
        }  # fmt: skip
        while True:
            page = await files.list_v2(asked)
            seen += [one.name for one in page.objects]
            if not page.hasNext:
                break
            asked["cursor"] = page.nextCursor
        whole = [f"{top}/{name}" for name in ("1.png", "2/x.png", "2/y.png", "3.png")]
        assert seen == (whole if order == "asc" else whole[::-1])
    page = await files.list_v2({"prefix": f"{top}/", "with_delimiter": True})
    assert [one.name for one in page.folders] == [f"{top}/2/"]
    assert [one.name for one in page.objects] == [f"{top}/1.png", f"{top}/3.png"]


async def test_a_signed_link_needs_no_token(surface: Surface, client: Any) -> None:
    """A link opens the one file without a log-in, and saves it under a name when asked to."""
    files, path = client.from_(BUCKET), f"{surface.alma}/signed file.pdf"
    await files.upload(path, PDF, {"content-type": "application/pdf"})
    signed = await files.create_signed_url(path, 60, {"download": "für Alma.pdf"})
    async with surface.http.get(signed["signedUrl"]) as answer:
        assert (answer.status, await answer.read()) == (200, PDF)
        disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''f%C3%BCr%20Alma.pdf"
    [one] = await files.create_signed_urls([path], 60)
    async with surface.http.get(one["signedURL"]) as answer:
        assert (answer.status, await answer.read()) == (200, PDF)
        assert answer.headers["content-disposition"] == "inline"


async def test_a_link_lets_somebody_put_a_file_in(surface: Surface, client: Any) -> None:
    """Whoever holds an upload link puts the one file there, once."""
    files, path = client.from_(BUCKET), f"{surface.alma}/by link.png"
    link = await files.create_signed_upload_url(path)
    stranger = AsyncStorageClient(f"{surface.base}/", {}, http_client=httpx.AsyncClient())
    try:
        theirs = stranger.from_(BUCKET)
        kept = await theirs.upload_to_signed_url(
            path, link["token"], PNG, {"content-type": "image/png"}
        )
        assert kept.path == path
        assert await files.download(path) == PNG
        with pytest.raises(StorageApiError) as caught:
            await theirs.upload_to_signed_url(
                path, link["token"], PNG, {"content-type": "image/png"}
            )
        assert error_of(caught) == ("409", "Duplicate")
    finally:
        await stranger._client.aclose()


async def test_files_are_copied_moved_and_removed(surface: Surface, client: Any) -> None:
    """A copy outlives its original; what was moved is no longer where it was."""
    files, folder = client.from_(BUCKET), f"{surface.alma}/move"
    await files.upload(f"{folder}/a.png", PNG, {"content-type": "image/png"})
    assert (await files.copy(f"{folder}/a.png", f"{folder}/b.png"))["Key"] == (
        f"{BUCKET}/{folder}/b.png"
    )
    assert (await files.move(f"{folder}/a.png", f"{folder}/c.png"))["message"] == (
        "Successfully moved"
    )
    removed = await files.remove([f"{folder}/c.png", f"{folder}/a.png"])
    assert [row["name"] for row in removed] == [f"{folder}/c.png"]
    assert await files.download(f"{folder}/b.png") == PNG
    with pytest.raises(StorageApiError) as caught:
        await files.download(f"{folder}/c.png")
    assert error_of(caught) == ("404", "not_found")
    with pytest.raises(StorageApiError) as caught:
        await files.move(f"{folder}/c.png", f"{folder}/d.png")
    assert error_of(caught) == ("404", "not_found")


async def test_buckets_are_made_and_unmade(surface: Surface, client: Any) -> None:
    """An administrator makes a bucket with limits, changes, empties and deletes it."""
    await client.create_bucket("handouts", options={"file_size_limit": 2000})
    bucket = await client.get_bucket("handouts")
    assert (bucket.name, bucket.public, bucket.file_size_limit) == ("handouts", False, 2000)
    assert "handouts" in [one.id for one in await client.list_buckets()]
    with pytest.raises(StorageApiError) as caught:
        await client.create_bucket("handouts")
    assert error_of(caught) == ("409", "Duplicate")
    handouts = client.from_("handouts")
    with pytest.raises(StorageApiError) as caught:
        await handouts.upload("long.pdf", PDF * 3, {"content-type": "application/pdf"})
    assert error_of(caught) == ("413", "Payload too large")
    await client.update_bucket("handouts", {"file_size_limit": 1_000_000})
    await handouts.upload("long.pdf", PDF * 3, {"content-type": "application/pdf"})
    with pytest.raises(StorageApiError) as caught:
        await client.delete_bucket("handouts")
    assert error_of(caught) == ("409", "ResourceNotEmpty")
    await client.empty_bucket("handouts")
    await client.delete_bucket("handouts")
    with pytest.raises(StorageApiError) as caught:
        await client.get_bucket("handouts")
    assert error_of(caught) == ("404", "Bucket not found")
    with pytest.raises(StorageApiError) as caught:
        await client.create_bucket("open", options={"public": True})
    assert error_of(caught) == ("400", "invalid_request")


async def test_what_goes_wrong_is_raised_as_by_supabase(surface: Surface, client: Any) -> None:
    """Each error comes as the client's own exception, with Supabase's status and word."""
    files, path = client.from_(BUCKET), f"{surface.alma}/wrong.pdf"
    cases = [
        (client.from_("no-such"), path, PDF, "application/pdf", ("404", "Bucket not found")),
        (files, path, b"hello", "text/plain", ("415", "invalid_mime_type")),
        (files, path, b"<html>", "application/pdf", ("415", "invalid_mime_type")),
        (files, f"{surface.mia}/x.pdf", PDF, "application/pdf", ("403", "Unauthorized")),
    ]
    for bucket, name, content, kind, expected in cases:
        with pytest.raises(StorageApiError) as caught:
            await bucket.upload(name, content, {"content-type": kind})
        assert error_of(caught) == expected
    for token, words in (("nonsense", "Invalid Compact JWS"), ("a.b.c", "signature")):
        stranger = AsyncStorageClient(
            f"{surface.base}/",
            {"Authorization": f"Bearer {token}"},
            http_client=client._client,
        )
        with pytest.raises(StorageApiError, match=words) as caught:
            await stranger.from_(BUCKET).download(path)
        assert error_of(caught) == ("403", "Unauthorized")
