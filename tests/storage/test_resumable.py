"""Uploads in pieces: Supabase's way of TUS, by the official client and by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed

from mentalspace.emulator.proxy import FaultProxy, Weather
from mentalspace.integrations.storage.disk import partial
from mentalspace.integrations.storage.disk.expiry import clear_uploads
from mentalspace.integrations.storage.disk.growing import Growing
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.lock.strips import MORE
from tests.clamd import EICAR
from tests.house import until
from tests.storage.conftest import PDF, Reply, Surface

BUCKET = "client-documents"
PLACE = "/upload/resumable"
LARGE = b"%PDF-1.7\n" + bytes(range(256)) * 12_000


@dataclass(frozen=True, slots=True)
class Pieces:
    """Speaks the protocol by hand; `signature` speaks it under a link instead of a log-in."""

    surface: Surface
    who: str = "administrator"
    signature: str | None = None

    async def begin(
        self, name: str, length: int | None, content: bytes = b"", /, **said: str
    ) -> Reply:
        """`said` is metadata; headers begin with a capital letter."""
        metadata = {
            "bucketName": BUCKET, "objectName": name, "contentType": "application/pdf",
            **{key: value for key, value in said.items() if key[0].islower()},
        }  # fmt: skip
        headers = {
            "Upload-Metadata": ",".join(f"{key} {b64(metadata[key])}" for key in metadata),
            **({"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}),
            **{key.replace("_", "-"): said[key] for key in said if key[0].isupper()},
        }
        if content:
            headers.setdefault("Content-Type", "application/offset+octet-stream")
        path = f"{PLACE}/sign" if self.signature else PLACE
        return await self._call("POST", path, content or None, headers)

    async def add(self, at: Reply | str, offset: int, content: Any, **said: str) -> Reply:
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            **{key.replace("_", "-"): said[key] for key in said},
        }
        return await self._call("PATCH", path_of(at), content, headers)

    async def look(self, at: Reply | str) -> Reply:
        return await self._call("HEAD", path_of(at), None, {})

    async def end(self, at: Reply | str) -> Reply:
        return await self._call("DELETE", path_of(at), None, {})

    async def _call(
        self, method: str, path: str, content: Any, headers: Mapping[str, str]
    ) -> Reply:
        signed = {"x-signature": self.signature} if self.signature else {}
        return await self.surface.call(
            method,
            path,
            data=content,
            who=None if self.signature else self.who,
            headers={"Tus-Resumable": "1.0.0", **signed, **headers},
        )


@pytest.fixture
def pieces(surface: Surface) -> Pieces:
    return Pieces(surface)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def path_of(at: Reply | str) -> str:
    location = at if isinstance(at, str) else at.headers["location"]
    return urlsplit(location).path.removeprefix("/storage/v1")


def client_of(surface: Surface, port: int | None = None) -> TusClient:
    url = surface.base if port is None else f"http://127.0.0.1:{port}/storage/v1"
    return TusClient(url + PLACE, headers={"Authorization": f"Bearer {surface.token()}"})


def uploader_of(client: TusClient, name: str, content: bytes, **more: Any) -> Any:
    metadata = {
        "bucketName": BUCKET,
        "objectName": name,
        "contentType": "application/pdf",
        "cacheControl": "60",
        "metadata": '{"display_name": "Ärzte"}',
    }
    return client.uploader(file_stream=BytesIO(content), metadata=metadata, **more)


@asynccontextmanager
async def lying(surface: Surface, name: str) -> AsyncIterator[tuple[Growing, Path]]:
    """What came of an upload, as the disk has it, with its key."""
    services = surface.services
    upload_id = await surface.admin.fetchval("select id from storage.upload where name = $1", name)
    async with services.database.as_worker(surface.lakeside) as connection:
        key = await keys.key_of_upload(connection, services.vault, surface.lakeside, upload_id)
    path = surface.partials.place(upload_id)
    with path.open("r+b") as file:
        yield Growing(file.fileno(), key), path


async def kept(surface: Surface, name: str) -> bytes:
    reply = await surface.call("GET", f"/object/{BUCKET}/{name}")
    return reply.raw if reply.http == 200 else b""


async def test_the_official_client_uploads(surface: Surface) -> None:
    """In pieces of a size that nothing divides: the file, its description, its entry in the audit
    and nothing else on the disk are as after any other upload."""
    name, before = f"{surface.alma}/pieces.pdf", surface.files()
    uploader = uploader_of(client_of(surface), name, LARGE, chunk_size=1_234_567)
    await asyncio.to_thread(uploader.upload)
    assert await kept(surface, name) == LARGE
    info = (await surface.call("GET", f"/object/info/{BUCKET}/{name}")).body
    assert (info["size"], info["content_type"]) == (len(LARGE), "application/pdf")
    assert (info["cache_control"], info["metadata"]) == ("max-age=60", {"display_name": "Ärzte"})
    assert info["etag"] == f'"{hashlib.sha256(LARGE).hexdigest()}"'
    [stored] = [
        one for one in await surface.entries("document_stored") if one["subject"] == info["id"]
    ]
    assert stored["actor"] == str(surface.who["administrator"].user_id)
    assert len(surface.files()) == len(before) + 1


async def test_the_official_client_resumes(surface: Surface) -> None:
    """A line that breaks in the middle keeps what came, and the client goes on from there."""
    name = f"{surface.alma}/resumed.pdf"
    port = urlsplit(surface.url).port
    assert port is not None
    async with FaultProxy("127.0.0.1", port) as proxy:
        client = client_of(surface, proxy.port)
        uploader = uploader_of(client, name, LARGE)
        proxy.weather = Weather("cut", after_bytes=2_000_000)
        with pytest.raises(TusUploadFailed):
            await asyncio.to_thread(uploader.upload)
        assert await kept(surface, name) == b""
        proxy.weather = Weather()
        again = await asyncio.to_thread(uploader_of, client, name, LARGE, url=uploader.url)
        assert 0 < again.offset <= 2_000_000
        await asyncio.to_thread(again.upload)
    assert await kept(surface, name) == LARGE


async def test_a_lost_last_answer(surface: Surface) -> None:
    """All came and nobody was told: whoever asks hears that it is whole, and it is there once."""
    name = f"{surface.alma}/stalls-at-99.pdf"
    port = urlsplit(surface.url).port
    assert port is not None
    async with FaultProxy("127.0.0.1", port) as proxy:
        uploader = uploader_of(client_of(surface, proxy.port), name, PDF)
        uploader.set_url(await asyncio.to_thread(uploader.create_url))
        proxy.weather = Weather("reset")
        with pytest.raises(TusUploadFailed):
            await asyncio.to_thread(uploader.upload_chunk)
        proxy.weather = Weather()
        assert await asyncio.to_thread(uploader.get_offset) == len(PDF)
        uploader.retries, uploader.offset = 1, len(PDF)
        await asyncio.to_thread(uploader.upload_chunk)
    assert await kept(surface, name) == PDF
    info = (await surface.call("GET", f"/object/info/{BUCKET}/{name}")).body
    stored = await surface.entries("document_stored")
    assert len([one for one in stored if one["subject"] == info["id"]]) == 1


async def test_what_is_spoken_here(surface: Surface) -> None:
    """Anybody may ask for the version and the extensions; another version is told ours."""
    for path in (PLACE, f"{PLACE}/sign", f"{PLACE}/abc"):
        told = await surface.call("OPTIONS", path, who=None)
        assert told.http == 204
        assert told.headers["tus-version"] == "1.0.0"
        assert told.headers["tus-extension"].split(",") == [
            "creation", "creation-with-upload", "creation-defer-length", "termination",
            "expiration",
        ]  # fmt: skip
    without = await surface.call("POST", PLACE)
    assert (without.http, without.headers["tus-resumable"]) == (412, "1.0.0")
    assert without.headers["content-type"].startswith("text/plain")


async def test_begun_with_its_bytes(pieces: Pieces, surface: Surface) -> None:
    """A file may come with its beginning, all of it or some; the address says where it will be,
    as Supabase writes it, and HEAD what was said."""
    name = f"{surface.alma}/at-once.pdf"
    whole = await pieces.begin(name, len(PDF), PDF)
    assert (whole.http, whole.headers["upload-offset"]) == (201, str(len(PDF)))
    assert await kept(surface, name) == PDF
    some = await pieces.begin(f"{surface.alma}/some.pdf", len(PDF), PDF[:100])
    assert (some.http, some.headers["upload-offset"]) == (201, "100")
    ref = path_of(some).rpartition("/")[2]
    path = base64.urlsafe_b64decode(ref + "=" * (-len(ref) % 4)).decode()
    assert path.rpartition("/")[0] == f"{BUCKET}/{surface.alma}/some.pdf"
    looked = await pieces.look(some)
    assert (looked.http, looked.headers["cache-control"]) == (200, "no-store")
    assert looked.headers["upload-offset"] == "100"
    assert looked.headers["upload-length"] == str(len(PDF))
    assert f"contentType {b64('application/pdf')}" in looked.headers["upload-metadata"]
    assert looked.headers["upload-expires"] == some.headers["upload-expires"]
    rest = await pieces.add(some, 100, PDF[100:])
    assert (rest.http, rest.headers["upload-offset"], rest.raw) == (204, str(len(PDF)), b"")


async def test_a_length_that_comes_later(pieces: Pieces, surface: Surface) -> None:
    """Left open at the beginning, said with a later piece, and then it holds."""
    name = f"{surface.alma}/later.pdf"
    begun = await pieces.begin(name, None)
    assert (await pieces.add(begun, 0, PDF[:300])).headers["upload-offset"] == "300"
    looked = await pieces.look(begun)
    assert looked.headers["upload-defer-length"] == "1"
    assert "upload-length" not in looked.headers
    assert (await pieces.add(begun, 300, b"", Upload_Length="200")).http == 400
    said = await pieces.add(begun, 300, PDF[300:400], Upload_Length=str(len(PDF)))
    assert (said.http, await kept(surface, name)) == (204, b"")
    assert (await pieces.add(begun, 400, PDF[400:], Upload_Length="9999")).http == 400
    assert (await pieces.add(begun, 400, PDF[400:])).http == 204
    assert await kept(surface, name) == PDF


async def test_under_a_link(surface: Surface) -> None:
    """A signed link lets its holder put that one file in, in pieces and without a log-in; it
    counts as its maker's, and nothing else goes under it."""
    name = f"{surface.alma}/signed-pieces.pdf"
    made = (await surface.call("POST", f"/object/upload/sign/{BUCKET}/{name}")).body
    holder = Pieces(surface, signature=made["token"])
    begun = await holder.begin(name, len(PDF))
    assert (begun.http, path_of(begun).startswith(f"{PLACE}/sign/")) == (201, True)
    assert (await holder.add(begun, 0, PDF[:500])).http == 204
    assert (await holder.look(begun)).headers["upload-offset"] == "500"
    assert (await holder.add(begun, 500, PDF[500:])).http == 204
    assert await kept(surface, name) == PDF
    assert (await surface.entries("document_stored"))[0]["data"]["by"] == "link"
    other = await holder.begin(f"{surface.alma}/another.pdf", len(PDF))
    assert (other.http, other.raw) == (400, b"Invalid signature")
    assert (await Pieces(surface, signature="a.b.c").look(begun)).http == 400
    read = (await surface.call("POST", f"/object/sign/{BUCKET}/{name}", {"expiresIn": 9})).body
    to_read = Pieces(surface, signature=read["signedURL"].partition("token=")[2])
    assert (await to_read.begin(name, len(PDF), X_Upsert="true")).http == 400


async def test_what_is_given_up_is_gone(pieces: Pieces, surface: Surface) -> None:
    """Terminated, an upload and its bytes are no more; one that is whole is a file, and stays."""
    before = surface.files()
    begun = await pieces.begin(f"{surface.alma}/given-up.pdf", len(PDF), PDF[:600])
    assert len(surface.files()) == len(before) + 1
    assert (await pieces.end(begun)).http == 204
    assert (await pieces.look(begun)).http == 404
    assert surface.files() == before
    name = f"{surface.alma}/whole.pdf"
    whole = await pieces.begin(name, len(PDF), PDF)
    ended = await pieces.end(whole)
    assert (ended.http, ended.raw) == (400, b"Cannot terminate an already completed upload")
    assert await kept(surface, name) == PDF


async def test_what_took_too_long_is_swept(pieces: Pieces, surface: Surface) -> None:
    """After its time an upload is gone, and the sweeper takes its bytes; one that is under way
    stays, however long nothing came."""
    begun = await pieces.begin(f"{surface.alma}/expired.pdf", len(PDF), PDF[:600])
    going = await pieces.begin(f"{surface.alma}/going.pdf", len(PDF), PDF[:600])
    await surface.admin.execute(
        "update storage.upload set expires_at = app.now() - interval '1 s'"
        " where name = $1", f"{surface.alma}/expired.pdf",
    )  # fmt: skip
    late = await pieces.add(begun, 600, PDF[600:])
    assert (late.http, late.raw) == (410, b"The file for this url no longer exists")
    before = surface.files()
    assert await clear_uploads(surface.services.database, surface.partials, grace_s=-1) == 1
    assert len(surface.files()) == len(before) - 1
    assert (await pieces.look(begun)).http == 404
    assert (await pieces.add(going, 600, PDF[600:])).http == 204
    orphan = surface.partials.place(surface.alma)
    orphan.write_bytes(b"of a process that died before its row")
    assert await clear_uploads(surface.services.database, surface.partials) == 0
    assert await clear_uploads(surface.services.database, surface.partials, grace_s=-1) == 1


async def test_what_is_no_upload(pieces: Pieces, surface: Surface) -> None:
    """Each mistake has its true status and words, and none does harm to the upload."""
    name = f"{surface.alma}/mistakes.pdf"
    begun = await pieces.begin(name, len(PDF), PDF[:100])
    wrong = await pieces.add(begun, 99, PDF[99:])
    assert (wrong.http, wrong.raw) == (409, b"Upload-Offset conflict")
    assert (await pieces.add(begun, 100, PDF[100:], Content_Type="application/pdf")).http == 415
    assert (await pieces.add(begun, 100, PDF)).http == 413
    assert (await pieces.add(begun, 100, PDF[100:], Upload_Offset="x")).http == 400
    stranger = Pieces(surface, who="front_desk")
    assert (await stranger.look(begun)).http == 404
    assert (await stranger.add(begun, 100, PDF[100:])).http == 404
    assert (await pieces.look(f"{PLACE}/{'A' * 40}")).http == 404
    nobody = {"Tus-Resumable": "1.0.0"}
    assert (await surface.call("HEAD", path_of(begun), who=None, headers=nobody)).http == 401
    mistakes: list[tuple[dict[str, str], int]] = [
        ({"Upload_Length": "-1"}, 400), ({"Upload_Defer_Length": "1"}, 400),
        ({"objectName": "a//b"}, 400), ({"bucketName": "nowhere"}, 404),
        ({"Upload_Metadata": "bucketName ?"}, 400), ({"contentType": "text/html"}, 415),
        ({"Upload_Length": "50000001"}, 413), ({"metadata": "[1]"}, 400),
        ({"objectName": f"{surface.mia}/x.pdf"}, 403),
    ]  # fmt: skip
    for mistake, status in mistakes:
        refused = await pieces.begin(name + "2", 10, **mistake)
        assert (refused.http, refused.headers["tus-resumable"]) == (status, "1.0.0"), mistake
    assert (await pieces.look(begun)).headers["upload-offset"] == "100"


async def test_what_it_is_counts_not_what_it_says(pieces: Pieces, surface: Surface) -> None:
    """Bytes of another kind end the upload as soon as they are known, also when they came one by
    one; so does one that grows beyond what the bucket takes."""
    before = surface.files()
    begun = await pieces.begin(f"{surface.alma}/page.pdf", 4000)
    for offset in range(3):
        assert (await pieces.add(begun, offset, b"<sv"[offset : offset + 1])).http == 204
    wrong = await pieces.add(begun, 3, b"g>" + bytes(1000))
    assert (wrong.http, (await pieces.look(begun)).http) == (415, 404)
    small = await pieces.begin(f"{surface.alma}/small.pdf", 5, b"GIF89")
    assert small.http == 415
    begun = await pieces.begin(f"{surface.alma}/grows.pdf", None)
    assert (await pieces.add(begun, 0, LARGE[:1000])).http == 204
    sent = await pieces.add(begun, 1000, bytes(50_000_000))
    assert (sent.http, (await pieces.look(begun)).http) == (413, 404)
    assert surface.files() == before


async def test_what_is_harmful_ends_the_upload(pieces: Pieces, surface: Surface) -> None:
    """Sealed as in any other upload: whoever asks afterwards does not hear that it is whole, what
    came of it lies nowhere unlocked, and it is counted once as refused."""
    counted = "select count(*) from storage.transfer where outcome = 'Harmful'"
    before, sealed = await surface.admin.fetchval(counted), len(surface.files()) + 1
    content = PDF + EICAR
    begun = await pieces.begin(f"{surface.alma}/harmful.pdf", len(content), content[:500])
    sent = await pieces.add(begun, 500, content[500:])
    assert (sent.http, (await pieces.look(begun)).http) == (422, 404)
    assert len(surface.files()) == sealed
    assert await surface.admin.fetchval(counted) == before + 1
    assert await kept(surface, f"{surface.alma}/harmful.pdf") == b""


async def test_who_may_no_more_may_not_at_the_end(surface: Surface) -> None:
    """The policies are asked again when the file is published: a clinician whose client it is no
    more is refused, it is written down, and the bytes go."""
    clinician, before = Pieces(surface, who="clinician"), surface.files()
    begun = await clinician.begin(f"{surface.alma}/late.pdf", len(PDF), PDF[:100])
    assert begun.http == 201
    await surface.admin.execute("update appointment set status = 'cancelled'")
    try:
        last = await clinician.add(begun, 100, PDF[100:])
    finally:
        await surface.admin.execute("update appointment set status = 'scheduled'")
    assert (last.http, last.raw) == (403, b"new row violates row-level security policy")
    [refused, *_] = await surface.entries("document_refused")
    assert refused["data"]["policy"] == "clinician_caseload"
    assert refused["data"]["operation"] == "tus.upload.part"
    assert surface.files() == before


async def test_two_of_one_name(pieces: Pieces, surface: Surface) -> None:
    """Of two uploads of one name the second to end is a duplicate, unless it may replace."""
    name = f"{surface.alma}/twice.pdf"
    first, second = await pieces.begin(name, len(PDF)), await pieces.begin(name, len(PDF))
    assert (await pieces.add(first, 0, PDF)).http == 204
    late = await pieces.add(second, 0, PDF)
    assert (late.http, late.raw) == (409, b"The resource already exists")
    assert (await pieces.begin(name, len(PDF))).http == 409
    other = PDF + b"%%EOF"
    replaced = await pieces.begin(name, len(other), other, X_Upsert="true")
    assert (replaced.http, await kept(surface, name)) == (201, other)


@dataclass
class Line:
    """A body that is sent as far as it is let."""

    parts: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self.parts.get()) is not None:
            yield part


async def test_one_at_a_time(
    pieces: Pieces, surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While bytes come, another request for the same upload is told to come later; once a line
    has gone quiet, whoever asks takes the upload over, with all that came."""
    monkeypatch.setattr(partial, "_QUIET_S", 60.0)
    monkeypatch.setattr(partial, "_WAIT_S", 0.6)
    name = f"{surface.alma}/one-at-a-time.pdf"
    begun = await pieces.begin(name, len(LARGE))
    upload_id = await surface.admin.fetchval("select id from storage.upload where name = $1", name)
    line, came = Line(), 0
    sending = asyncio.create_task(pieces.add(begun, 0, aiter(line)))

    async def let_come(upto: int) -> None:
        """And written: a whole number of what is held of one request is."""
        line.parts.put_nowait(LARGE[came:upto])

        async def is_written() -> bool:
            strips = upto // partial._HELD
            return surface.partials.place(upload_id).stat().st_size == upto + strips * MORE

        await until(is_written, every_s=0.02)

    await let_come(partial._HELD)
    came = partial._HELD
    other = asyncio.create_task(pieces.add(begun, 0, LARGE))
    while not other.done():
        line.parts.put_nowait(LARGE[came : came + 1024])
        came += 1024
        await asyncio.sleep(0.03)
    second = await other
    assert (second.http, second.raw) == (423, b"The upload is being written by another request")
    await let_come(2 * partial._HELD)
    came = 2 * partial._HELD
    monkeypatch.setattr(partial, "_QUIET_S", 0.05)
    monkeypatch.setattr(partial, "_WAIT_S", 30.0)
    looked = await pieces.look(begun)
    assert (looked.http, looked.headers["upload-offset"]) == (200, str(came))
    line.parts.put_nowait(None)
    assert (await sending).http == 408
    assert (await pieces.add(begun, came, LARGE[came:])).http == 204
    assert await kept(surface, name) == LARGE


async def test_what_a_crash_left_whole_is_published(pieces: Pieces, surface: Surface) -> None:
    """All bytes on the disk, and the process gone before it could say so: whoever asks how far it
    has come is answered once the file is there."""
    name = f"{surface.alma}/crashed.pdf"
    begun = await pieces.begin(name, len(PDF), PDF[:700])
    async with lying(surface, name) as (growing, _path):
        growing.append(PDF[700:])
    looked = await pieces.look(begun)
    assert (looked.http, looked.headers["upload-offset"]) == (200, str(len(PDF)))
    assert await kept(surface, name) == PDF


async def test_what_came_lies_locked(pieces: Pieces, surface: Surface) -> None:
    """Whoever reads the disk reads nothing of it, and without its client's key nobody does."""
    name = f"{surface.ben}/locked.pdf"
    begun = await pieces.begin(name, len(LARGE), LARGE[:1_500_000])
    async with lying(surface, name) as (growing, path):
        raw = path.read_bytes()
        assert growing.size == 1_500_000
    assert bytes(range(16)) not in raw
    assert LARGE[:9] not in raw
    destroy = "update storage.key set sealed = null, destroyed_at = now() where whose = $1"
    await surface.admin.execute(destroy, surface.ben)
    assert (await pieces.look(begun)).http == 500
    assert (await pieces.add(begun, 1_500_000, LARGE[1_500_000:])).http == 500
    assert path.read_bytes() == raw


async def test_what_the_disk_spoilt_comes_again(pieces: Pieces, surface: Surface) -> None:
    """No byte that is another is published: who sends is told to try again, hears from where, and
    the file is right."""
    name = f"{surface.alma}/spoilt.pdf"
    begun = await pieces.begin(name, len(LARGE), LARGE[:700])
    assert (await pieces.add(begun, 700, LARGE[700:8000])).http == 204
    assert (await pieces.add(begun, 8000, LARGE[8000:9000])).http == 204
    async with lying(surface, name) as (_growing, path):
        raw = bytearray(path.read_bytes())
    raw[2000] ^= 1
    path.write_bytes(raw)
    assert (await pieces.add(begun, 9000, LARGE[9000:])).http == 500
    offset = int((await pieces.look(begun)).headers["upload-offset"])
    assert offset == 700
    assert (await pieces.add(begun, offset, LARGE[offset:])).http == 204
    assert await kept(surface, name) == LARGE


async def test_a_method_in_a_header(surface: Surface, pieces: Pieces) -> None:
    """Where only POST passes, a header says which method is meant."""
    name = f"{surface.alma}/override.pdf"
    begun = await pieces.begin(name, len(PDF))
    headers = {
        "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH",
        "Content-Type": "application/offset+octet-stream",
    }  # fmt: skip
    sent = await surface.call("POST", path_of(begun), data=PDF, headers=headers)
    assert (sent.http, await kept(surface, name)) == (204, PDF)
