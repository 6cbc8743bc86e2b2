"""The official storage3 package, unmodified, in both its forms, against the sandbox."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from storage3 import create_client
from storage3.exceptions import StorageApiError

from mentalspace.integrations.storage.tests.conftest import AUTHORISED, BUCKET, Project

PDF = b"%PDF-1.7 of nobody"


class Package:
    """Calls the package's functions alike, whichever form it is."""

    def __init__(self, client: Any, in_thread: Any) -> None:
        self.client = client
        self._in_thread = in_thread

    async def run(self, function: Any, *given: Any, **named: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*given, **named)
        return await self._in_thread(function, *given, **named)

    async def refused(self, function: Any, *given: Any, **named: Any) -> tuple[str, str]:
        """How it puts a refusal: the status and what it is called."""
        with pytest.raises(StorageApiError) as raised:
            await self.run(function, *given, **named)
        return str(raised.value.status), raised.value.message


@pytest_asyncio.fixture(loop_scope="session", params=["sync", "async"])
async def package(request: pytest.FixtureRequest, project: Project) -> AsyncIterator[Package]:
    url = f"{project.base_url}/storage/v1/"
    client = create_client(url, AUTHORISED, is_async=request.param == "async")
    yield Package(client, asyncio.to_thread)
    await Package(client, asyncio.to_thread).run(
        client.session.aclose if request.param == "async" else client.session.close
    )


async def test_objects(package: Package, project: Project) -> None:
    """Uploaded, described, listed, read, replaced, copied, moved and removed."""
    files = package.client.from_(BUCKET)
    options = {"content-type": "application/pdf"}
    cached = {**options, "cache-control": "60", "metadata": {"pages": 1}}
    made = await package.run(files.upload, "a/scan.pdf", PDF, cached)
    assert made.path == "a/scan.pdf"
    assert await package.run(files.download, "a/scan.pdf") == PDF
    told = await package.run(files.info, "a/scan.pdf")
    assert (told["size"], told["metadata"]) == (len(PDF), {"pages": 1})
    assert await package.run(files.exists, "a/scan.pdf")
    assert not await package.run(files.exists, "a/none.pdf")
    status, message = await package.refused(files.upload, "a/scan.pdf", PDF, options)
    assert (status, message) == ("409", "The resource already exists")
    await package.run(files.update, "a/scan.pdf", b"Newer", options)
    assert await package.run(files.download, "a/scan.pdf") == b"Newer"
    await package.run(files.copy, "a/scan.pdf", "a/copy.pdf")
    await package.run(files.move, "a/copy.pdf", "b.pdf")
    listed = await package.run(files.list)
    assert [row["name"] for row in listed] == ["a", "b.pdf"]
    removed = await package.run(files.remove, ["b.pdf"])
    assert [row["name"] for row in removed] == ["b.pdf"]
    status, message = await package.refused(files.download, "b.pdf")
    assert (status, message) == ("404", "Object not found")


async def test_links(package: Package, project: Project) -> None:
    """Signed to read, several at once, and signed to upload."""
    files = package.client.from_(BUCKET)
    await package.run(files.upload, "card", PDF, {"content-type": "application/pdf"})
    signed = await package.run(files.create_signed_url, "card", 60)
    assert await _opened(project, signed["signedURL"]) == PDF
    await package.run(files.upload, "back", PDF, {"content-type": "application/pdf"})
    many = await package.run(files.create_signed_urls, ["card", "back"], 60)
    assert [each["path"] for each in many] == ["card", "back"]
    assert await _opened(project, many[1]["signedURL"]) == PDF
    given = await package.run(files.create_signed_upload_url, "new")
    await package.run(files.upload_to_signed_url, "new", given["token"], PDF)
    assert await package.run(files.download, "new") == PDF


async def test_buckets(package: Package) -> None:
    """Made with its limits, found, changed, emptied and deleted; a refusal is one of its own."""
    client = package.client
    limits = {"file_size_limit": 10, "allowed_mime_types": ["application/pdf"]}
    await package.run(client.create_bucket, "cards", options=limits)
    found = await package.run(client.get_bucket, "cards")
    assert (found.id, found.file_size_limit, found.public) == ("cards", 10, False)
    files = client.from_("cards")
    typed = {"content-type": "application/pdf"}
    assert (await package.refused(files.upload, "big", PDF, typed))[0] == "413"
    html = {"content-type": "text/html"}
    assert (await package.refused(files.upload, "page", b"<p>", html))[0] == "415"
    await package.run(client.update_bucket, "cards", {"public": True, "file_size_limit": 1000})
    await package.run(files.upload, "one", PDF, typed)
    assert (await package.refused(client.delete_bucket, "cards"))[0] == "409"
    await package.run(client.empty_bucket, "cards")
    await package.run(client.delete_bucket, "cards")
    assert "cards" not in [bucket.id for bucket in await package.run(client.list_buckets)]
    assert (await package.refused(client.get_bucket, "cards"))[0] == "404"


async def _opened(project: Project, url: str) -> bytes:
    """As a browser would, without a key."""
    async with aiohttp.ClientSession() as browser, browser.get(url) as answer:
        assert answer.status == 200
        return await answer.read()
