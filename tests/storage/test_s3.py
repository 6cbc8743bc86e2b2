"""The surface over a bucket of S3 does what it does over a disk, asked of a server of S3."""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.disk.reading import Content, open_file, read
from mentalspace.integrations.storage.disk.sweep import sweep
from mentalspace.integrations.storage.document import ON_SHELF, Document
from mentalspace.integrations.storage.landed import Landed, ShelfLandings
from mentalspace.integrations.storage.s3.shelf import PART, S3Shelf, open_s3
from mentalspace.integrations.storage.shelf import Shelf
from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import S3Place, load_settings
from tests.house import until
from tests.storage import script
from tests.storage.conftest import PDF, PNG, Surface, set_otherwise
from tests.storage.script import play

BUCKET = "client-documents"
BELOW = "/storage/v1/s3"
LARGE = PDF + bytes(range(256)) * 50_000  # of two parts


@pytest.fixture(scope="module")
def place() -> Iterator[S3Place]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = S3Place(f"http://{host}:{port}", "documents", "us-east-1", "testing", "testing")
    open_s3(found).client.create_bucket(Bucket=found.bucket)
    yield found
    open_s3(found).client.close()
    server.stop()


@pytest.fixture(scope="module")
async def bucket(surface: Surface, place: S3Place) -> AsyncIterator[Surface]:
    """The same practices and people; what they put in lies in the bucket."""
    async with set_otherwise(surface, storage_s3=place) as changed:
        yield changed


@pytest.fixture(scope="module")
def shelf(place: S3Place) -> S3Shelf:
    return open_s3(place)


def names(shelf: S3Shelf) -> set[str]:
    return {one.version for practice in shelf.practices() for one in shelf.versions(practice)}


def lying(shelf: Shelf, practice_id: UUID) -> set[tuple[str, int]]:
    """The practice's versions, and how long each is."""
    versions = [one.version for one in shelf.versions(practice_id)]
    return {(version, shelf.size(practice_id, version)) for version in versions}


def unfinished(shelf: S3Shelf) -> int:
    return len(shelf.client.list_multipart_uploads(Bucket=shelf.bucket).get("Uploads", ()))


async def version_of(surface: Surface, place: str) -> str:
    version: str = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    return version


async def test_a_file_goes_in_and_comes_out(bucket: Surface, shelf: S3Shelf) -> None:
    """Of one request or of many parts, whole or a stretch across frames and parts; what lies in the
    bucket cannot be read; copied, moved, removed and purged it is as over a disk."""
    for name, content in (("small", PDF), ("large", LARGE)):
        at = f"{BUCKET}/{bucket.alma}/s3-{name}.pdf"
        assert (await bucket.put(at, content)).http == 200
        got = await bucket.call("GET", f"/object/{at}")
        assert got.raw == content
        assert got.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    for start, end in ((0, 9), (PART - 50, PART + 50), (len(LARGE) - 7, len(LARGE))):
        part = await bucket.call(
            "GET", f"/object/{at}", headers={"Range": f"bytes={start}-{end - 1}"}
        )
        assert (part.http, part.raw) == (206, LARGE[start:end])
    lying = shelf.client.get_object(**shelf.where(bucket.lakeside, await version_of(bucket, at)))
    assert PDF[:40] not in lying["Body"].read()
    before = names(shelf)
    for verb in ("copy", "move"):
        body = {"bucketId": BUCKET, "sourceKey": f"{bucket.alma}/s3-large.pdf",
                "destinationKey": f"{bucket.ben}/s3-{verb}.pdf"}  # fmt: skip
        assert (await bucket.call("POST", f"/object/{verb}", body)).http == 200
        assert (
            await bucket.call("GET", f"/object/{BUCKET}/{bucket.ben}/s3-{verb}.pdf")
        ).raw == LARGE
    assert len(names(shelf)) == len(before) + 1
    for verb in ("copy", "move"):
        gone = f"/object/{BUCKET}/{bucket.ben}/s3-{verb}.pdf"
        assert (await bucket.call("DELETE", gone)).http == 200
        assert (await bucket.call("GET", gone)).told == ("404", "not_found")
    assert await bucket.expire(f"{bucket.ben}/s3-") == 2
    assert len(names(shelf)) == len(before) - 1


async def test_every_verb_answers_as_over_a_disk(
    surface: Surface, bucket: Surface, shelf: S3Shelf
) -> None:
    """The same requests over both: the same status, words, headers and bytes to each, and as much
    is left on either shelf, of which nothing can be read, and swept."""
    shelves: tuple[Shelf, Shelf] = (surface.shelf, shelf)
    before = [lying(each, surface.lakeside) for each in shelves]
    on_disk = await play(surface, f"{surface.alma}/on-disk")
    over_s3 = await play(bucket, f"{surface.alma}/over-s3")
    for what, told in on_disk.items():
        assert over_s3[what] == told, what
    fine = {what for what, (http, *_) in on_disk.items() if http < 300}
    assert set(on_disk) - fine == {
        "upload over it", "another type", "beyond its end", "nothing there", "moved away",
        "no second time", "deleted", "delete it twice",
    }  # fmt: skip
    assert on_disk["all of it"][2] == script.PIECES
    assert on_disk["moved"][2] == script.LARGE
    left, database = [], surface.services.database
    for each, there in zip(shelves, before, strict=True):
        new = lying(each, surface.lakeside) - there
        left.append(sorted(size for _version, size in new))
        for version, size in new:
            with closing(each.open(surface.lakeside, version, 0, size)) as source:
                assert PDF[:30] not in source.read(size)
        await sweep(database, each, grace_s=-5)
        async with Landing(each, surface.lakeside) as landing:
            await landing.publish()
        assert (await sweep(database, each, grace_s=-5)).unnamed_of[surface.lakeside] == 1
    assert left[0] == left[1] != []


async def test_an_upload_that_breaks_was_never_there(bucket: Surface, shelf: S3Shelf) -> None:
    """A line that ends after a part leaves neither a file nor parts."""
    before, at = names(shelf), f"{BUCKET}/{bucket.alma}/s3-cut.pdf"
    host = urlsplit(bucket.url)
    _, writer = await asyncio.open_connection(host.hostname, host.port)
    head = (
        f"POST /storage/v1/object/{at} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {bucket.token()}\r\nContent-Type: application/pdf\r\n"
        f"Content-Length: {len(LARGE)}\r\n\r\n"
    )
    writer.write(head.encode() + LARGE[: PART + 2**21])
    await writer.drain()

    async def parts(wanted: bool) -> bool:
        return (await asyncio.to_thread(unfinished, shelf) > 0) is wanted

    await until(lambda: parts(True))
    writer.transport.abort()
    await until(lambda: parts(False))
    assert names(shelf) == before
    assert (await bucket.call("GET", f"/object/{at}")).told == ("404", "not_found")


async def test_the_sweeper_finds_what_a_crash_leaves(bucket: Surface, shelf: S3Shelf) -> None:
    """Parts that were never completed, and a file that no row names, go; a kept one stays, and one
    that was lost is told."""
    at = f"{BUCKET}/{bucket.alma}/s3-kept.png"
    await bucket.put(at, PNG)
    kept = await version_of(bucket, at)
    stale, unnamed = Landing(shelf, bucket.lakeside), Landing(shelf, bucket.lakeside)
    await unnamed.write(PNG)
    await unnamed.publish()
    database = bucket.services.database
    await sweep(database, shelf, grace_s=3600)
    assert unnamed.version in names(shelf)
    await stale.write(LARGE)
    await stale.write(LARGE)  # by now the first has left
    assert unfinished(shelf) == 1
    swept = await sweep(database, shelf, grace_s=-5)
    assert (swept.landings, unfinished(shelf)) == (1, 0)
    assert unnamed.version not in names(shelf)
    assert kept in names(shelf)
    shelf.delete(bucket.lakeside, kept)
    assert (await sweep(database, shelf, grace_s=-5)).lost == swept.lost + 1
    gone = await bucket.call("GET", f"/object/{at}")
    assert gone.told == ("500", "internal")


async def test_what_the_bucket_spoilt_is_not_given_out(bucket: Surface, shelf: S3Shelf) -> None:
    """Bytes that are others break off; a copy for the provider leaves plain, or not at all."""
    at = f"{BUCKET}/{bucket.alma}/s3-spoilt.pdf"
    kept = (await bucket.put(at, LARGE)).body["Id"]
    version = await version_of(bucket, at)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    document = Document(
        "document", BUCKET, kept, version, len(LARGE), sha256, "application/pdf", ON_SHELF
    )
    services = bucket.services
    landings = ShelfLandings(services.database, services.vault, shelf, bucket.lakeside)
    landed = Landed(document, landings)
    assert await landed.look() is None
    assert b"".join([piece async for piece in landed.pieces()]) == LARGE
    where = shelf.where(bucket.lakeside, version)
    raw = shelf.client.get_object(**where)["Body"].read()
    shelf.client.put_object(**where, Body=raw[: PART + 99])
    assert await landed.look() == "landed_altered"
    with pytest.raises(aiohttp.ClientError):
        await bucket.call("GET", f"/object/{at}")


def test_what_others_put_there_is_left_alone(shelf: S3Shelf) -> None:
    """In a bucket that is shared, or that somebody looked through: no practice, no version."""
    ours, theirs = UUID(int=3), (f"{UUID(int=3)}/", f"{UUID(int=3)}/notes.txt", "backup/of.sql")
    keys = (f"{ours}/{UUID(int=4)}", *theirs)
    for key in keys:
        shelf.client.put_object(Bucket=shelf.bucket, Key=key, Body=b"x")
    assert ours in shelf.practices()
    assert [one.version for one in shelf.versions(ours)] == [str(UUID(int=4))]
    for key in keys:
        shelf.client.delete_object(Bucket=shelf.bucket, Key=key)
    begun = {
        key: shelf.client.create_multipart_upload(Bucket=shelf.bucket, Key=key)["UploadId"]
        for key in keys
    }
    assert shelf.clear_drafts(before=math.inf) == 1
    assert unfinished(shelf) == len(theirs)
    for key in theirs:
        shelf.client.abort_multipart_upload(Bucket=shelf.bucket, Key=key, UploadId=begun[key])


async def test_an_upload_may_take_a_day(
    bucket: Surface, shelf: S3Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may date a file by when its upload began: for a day its row may yet come."""
    database, now = bucket.services.database, time.time()
    async with Landing(shelf, bucket.lakeside) as landing:
        await landing.write(PNG)
        await landing.publish()
    for hours, is_there in ((23, True), (25, False)):
        monkeypatch.setattr(time, "time", lambda hours=hours: now + hours * 3600)
        await sweep(database, shelf)
        assert (landing.version in names(shelf)) is is_there


def test_a_version_is_no_path(shelf: S3Shelf) -> None:
    """Only a version as it was given names a place, and one that is not there is missing."""
    with pytest.raises(ValueError):
        shelf.where(UUID(int=1), "../../etc/passwd")
    with pytest.raises(FileNotFoundError):
        shelf.size(UUID(int=1), str(UUID(int=2)))


@pytest.fixture
def below() -> Iterator[str]:
    """Where S3 is spoken below a path, as Supabase does; a request elsewhere is not found."""
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith(BELOW):
            start("404 Not Found", [])
            return [b""]
        raw = {name: environ[name].removeprefix(BELOW) for name in ("RAW_URI", "REQUEST_URI")}
        return moto({**environ, **raw, "PATH_INFO": path.removeprefix(BELOW)}, start)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}{BELOW}"
    server.shutdown()
    serving.join()
    server.server_close()


async def test_a_bucket_may_lie_below_a_path(below: str) -> None:
    """In one request and in parts, read, listed, copied and deleted, at an address like that of
    Supabase's own S3."""
    place = load_settings(
        {
            "MENTALSPACE_STORAGE_S3": f"{below}/papers",
            "MENTALSPACE_STORAGE_S3_KEY": "k",
            "MENTALSPACE_STORAGE_S3_SECRET": "s",
        }
    ).storage_s3
    assert place == S3Place(below, "papers", "us-east-1", "k", "s")
    shelf, practice, copy = open_s3(place), uuid4(), str(uuid4())
    shelf.client.create_bucket(Bucket="papers")
    for content in (PNG, LARGE):
        async with Landing(shelf, practice) as landing:
            await landing.write(content)
            await landing.publish()
        kept = Content(practice, landing.version, len(content), landing.key)
        stretch = await open_file(shelf, kept, 0, len(content))
        assert b"".join([piece async for piece in read(stretch)]) == content
    shelf.link(practice, landing.version, copy)
    assert len(list(shelf.versions(practice))) == 3
    shelf.delete(practice, copy)
    assert shelf.missing(practice, [copy]) == [copy]
    shelf.client.close()


def test_an_address_that_is_none_is_named() -> None:
    """Each mistake by its setting, and no value is quoted: the wrong one may be a secret."""
    given = {"MENTALSPACE_STORAGE_S3": "http://s3.example/", "MENTALSPACE_STORAGE_S3_KEY": "hidden"}
    with pytest.raises(SettingsError) as told:
        load_settings(given)
    said = str(told.value)
    assert said.count("MENTALSPACE_STORAGE_S3:") == 2
    assert "MENTALSPACE_STORAGE_S3_KEY: give it and its secret" in said
    assert "hidden" not in said
    good = {**given, "MENTALSPACE_STORAGE_S3": "https://s3.example/files",
            "MENTALSPACE_STORAGE_S3_SECRET": "s"}  # fmt: skip
    assert load_settings(good).storage_s3 == S3Place(
        "https://s3.example", "files", "us-east-1", "hidden", "s"
    )
