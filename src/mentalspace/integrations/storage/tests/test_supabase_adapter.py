"""Our own adapter against Supabase Storage as the sandbox plays it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from mentalspace.engine.outbound import Client, DeadlinedHttp, open_client
from mentalspace.integrations.storage.document import Document
from mentalspace.integrations.storage.landed import Landings, PlainLandings
from mentalspace.integrations.storage.store.objects import Limits
from mentalspace.integrations.storage.supabase.adapter import SupabaseAdapter
from mentalspace.integrations.storage.tests.conftest import KEY, Project
from mentalspace.kernel.delivery import Receipt, Status
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.integration import Credential

SENT = timedelta(seconds=5)


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncIterator[Client]:
    async with open_client(live=False) as opened:
        yield opened


@pytest.fixture
def supabase(project: Project, client: Client) -> SupabaseAdapter:
    return _adapter(client, project.base_url)


def _adapter(
    client: Client, base_url: str, key: str = KEY, landings: Landings | None = None
) -> SupabaseAdapter:
    credential = Credential("practice", "default", base_url, {"service_role_key": key}, "")
    return SupabaseAdapter(DeadlinedHttp(client, 20.0), credential, landings)


class _Forms(PlainLandings):
    """Of a practice that has made a bucket of its own."""

    async def limits(self, bucket: str) -> Limits | None:
        return Limits(2_000_000, ["application/pdf"]) if bucket == "forms" else None


async def _sent(supabase: SupabaseAdapter, document: Document) -> Receipt | Evidence:
    try:
        return await supabase.send(document.to_bytes(), idempotency_key="k")
    except ProviderError as error:
        return error.evidence


async def _asked(supabase: SupabaseAdapter, document: Document) -> Receipt | Evidence | None:
    try:
        return await supabase.reconcile(
            document.to_bytes(),
            idempotency_key="k",
            first_attempt_age=SENT,
            last_send_age=SENT,
            taken=(),
        )
    except ProviderError as error:
        return error.evidence


def _spoil(document: Document, content: bytes | None) -> None:
    """Other bytes in the file's place, or no file."""
    path = Path(document.landed)
    path.unlink() if content is None else path.write_bytes(content)


@asynccontextmanager
async def _line_that_breaks(port: int, after_bytes: int) -> AsyncIterator[int]:
    """A port that passes on so many bytes of what comes, and then breaks both connections."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _answers, onward = await asyncio.open_connection("127.0.0.1", port)
        onward.write(await reader.readexactly(after_bytes))
        await onward.drain()
        onward.close()
        writer.transport.abort()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _code(told: object) -> str | None:
    assert isinstance(told, Evidence)
    return told.code


def _place(told: object) -> str:
    assert isinstance(told, Receipt), told
    return told.provider_message_id


async def test_a_document_goes_up_is_compared_and_read_back(
    project: Project, supabase: SupabaseAdapter
) -> None:
    """Accepted once what arrived is compared; delivered once it was read back whole."""
    document = project.landed()
    receipt = await _sent(supabase, document)
    assert isinstance(receipt, Receipt)
    assert receipt.provider_message_id == document.place
    assert project.requests() == [
        f"POST /object/{document.place}",
        f"GET /object/info/{document.place}",
    ]
    status, headers, content = await project.raw("GET", f"/object/{document.place}")
    assert (status, content, headers["content-type"]) == (200, b"A scan.", "application/pdf")
    event = await supabase.look_up(receipt.provider_message_id)
    assert event is not None
    assert (event.kind, event.status) == ("object.verified", Status.DELIVERED)


async def test_a_repeat_meets_itself(project: Project, supabase: SupabaseAdapter) -> None:
    """Refused as a duplicate, then recognised by its bytes; nothing is taken twice."""
    document = project.landed()
    await _sent(supabase, document)
    assert _code(await _sent(supabase, document)) == "KeyAlreadyExists"
    assert await _asked(supabase, document) == Receipt(document.place)
    summary = project.sandbox.world.kit.summary()
    assert [each["accepted"] for each in summary.values()] == [1]


async def test_what_is_not_there_may_be_sent(project: Project, supabase: SupabaseAdapter) -> None:
    """A missing object is surely not there; a missing bucket says nothing of the object."""
    document = project.landed()
    assert await _asked(supabase, document) is None
    elsewhere = replace(document, bucket="no-such-bucket")
    assert _code(await _asked(supabase, elsewhere)) == "NoSuchBucket"


async def test_a_practices_own_bucket_is_made_there_once(project: Project, client: Client) -> None:
    """By whichever document comes first, of several at once too: private, with our limits. One that
    is not ours is not made."""
    supabase = _adapter(client, project.base_url, landings=_Forms())
    own = [replace(project.landed(), bucket="forms", version=str(UUID(int=n))) for n in (1, 2)]
    receipts = await asyncio.gather(*(_sent(supabase, document) for document in own))
    assert [_place(receipt) for receipt in receipts] == [document.place for document in own]
    _, made = await project.call("GET", "/bucket/forms")
    assert (made["public"], made["file_size_limit"]) == (False, 2_000_000)
    assert made["allowed_mime_types"] == ["application/pdf"]
    asked = len(project.requests())
    other = replace(project.landed(), bucket="others")
    assert _code(await _sent(supabase, other)) == "NoSuchBucket"
    assert project.requests()[asked:] == [f"POST /object/{other.place}"]


@pytest.mark.parametrize("fault", [{"kind": "status", "http": 400, "name": "AccessDenied"},
                                   {"kind": "reset"}])  # fmt: skip
async def test_a_bucket_that_cannot_be_made_is_still_missing(
    project: Project, client: Client, fault: dict[str, Any]
) -> None:
    """Refused, or without an answer: the document surely was not taken; a later try makes it."""
    supabase = _adapter(client, project.base_url, landings=_Forms())
    document = replace(project.landed(), bucket="forms")
    project.fault(**fault, method="POST", path="/storage/v1/bucket")
    assert _code(await _sent(supabase, document)) == "NoSuchBucket"
    assert _place(await _sent(supabase, document)) == document.place


async def test_other_bytes_under_our_name_are_told(
    project: Project, supabase: SupabaseAdapter
) -> None:
    """Altered on the way or by somebody else: at once, when asked after, and when read back."""
    document = project.landed()
    project.fault(kind="fate", name="altered")
    assert _code(await _sent(supabase, document)) == "different_bytes"
    assert _code(await _asked(supabase, document)) == "different_bytes"
    event = await supabase.look_up(document.place)
    assert event is not None
    assert (event.status, event.trouble) == (Status.FAILED, "different_bytes")


async def test_a_lost_copy_is_told(project: Project, supabase: SupabaseAdapter) -> None:
    """Taken with 200 and not there: at once; and later, when it was deleted there."""
    document = project.landed()
    project.fault(kind="fate", name="lost")
    assert _code(await _sent(supabase, document)) == "NoSuchKey"
    await _sent(supabase, document)
    await project.raw("DELETE", f"/object/{document.place}")
    event = await supabase.look_up(document.place)
    assert event is not None
    assert (event.status, event.trouble) == (Status.FAILED, "object_missing")


@pytest.mark.parametrize(
    ("content", "code"), [(None, "landed_missing"), (b"A scan", "landed_altered")]
)
async def test_a_spoilt_file_is_ours_and_asks_nobody(
    project: Project, supabase: SupabaseAdapter, content: bytes | None, code: str
) -> None:
    """Missing, or of another size: known before anything leaves."""
    document = project.landed()
    _spoil(document, content)
    evidence = await _sent(supabase, document)
    assert isinstance(evidence, Evidence)
    assert (evidence.kind, evidence.code) == ("refused_locally", code)
    assert project.requests() == []


async def test_altered_bytes_never_arrive_whole(
    project: Project, supabase: SupabaseAdapter
) -> None:
    """Same size, another sum: the last piece is held back, and the provider keeps nothing."""
    document = project.landed(b"x" * 700_000)
    _spoil(document, b"y" * 700_000)
    evidence = await _sent(supabase, document)
    assert isinstance(evidence, Evidence)
    assert (evidence.kind, evidence.code) == ("refused_locally", "landed_altered")
    assert (await project.raw("GET", f"/object/{document.place}"))[0] == 400


async def test_a_line_that_breaks_in_the_upload_leaves_nothing(
    project: Project, client: Client
) -> None:
    """Cut off while it goes up: the outcome is unknown, and asking says that it may go again."""
    document = project.landed(b"z" * 4_000_000)
    async with _line_that_breaks(project.sandbox.port, 1_000_000) as port:
        cut = _adapter(client, f"http://127.0.0.1:{port}/storage/supabase")
        evidence = await _sent(cut, document)
    assert isinstance(evidence, Evidence)
    assert evidence.kind == "reset"
    assert await _asked(_adapter(client, project.base_url), document) is None


async def test_a_large_document_leaves_piece_by_piece(
    project: Project, supabase: SupabaseAdapter
) -> None:
    """Forty megabytes up, and back: a tenth of that in memory, sandbox included."""
    size = 40_000_000
    document = project.landed(b"q" * size)
    tracemalloc.start()
    try:
        assert isinstance(await _sent(supabase, document), Receipt)
        event = await supabase.look_up(document.place)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert event is not None
    assert event.kind == "object.verified"
    assert peak < size / 10


async def test_a_removal_is_done_when_it_is_gone(
    project: Project, supabase: SupabaseAdapter
) -> None:
    """Deleted, or gone already; unknown, it is asked for; and the receipt can be looked up."""
    document = project.landed()
    removal = replace(document, kind="removal")
    await _sent(supabase, document)
    assert await _asked(supabase, removal) is None
    receipt = await _sent(supabase, removal)
    assert isinstance(receipt, Receipt)
    again = await _sent(supabase, removal)
    assert isinstance(again, Receipt)
    assert again.provider_message_id == receipt.provider_message_id
    assert await _asked(supabase, removal) == Receipt(receipt.provider_message_id)
    event = await supabase.look_up(receipt.provider_message_id)
    assert event is not None
    assert (event.kind, event.status) == ("object.gone", Status.DELIVERED)


async def test_an_empty_document_is_one(project: Project, supabase: SupabaseAdapter) -> None:
    document = project.landed(b"")
    assert isinstance(await _sent(supabase, document), Receipt)
    assert (await project.raw("GET", f"/object/{document.place}"))[2] == b""


@pytest.mark.parametrize(
    ("fault", "http", "code"),
    [
        ({"http": 400, "name": "AccessDenied"}, 403, "AccessDenied"),
        ({"http": 413}, 413, "EntityTooLarge"),
        ({"http": 415}, 415, "InvalidMimeType"),
        ({"http": 400, "name": "InvalidKey"}, 400, "InvalidKey"),
        ({"http": 429}, 429, "SlowDown"),
        ({"http": 544}, 544, "DatabaseTimeout"),
        ({"http": 402}, 402, None),
        ({"http": 307, "name": "https://elsewhere.example/"}, 307, None),
    ],
)
async def test_a_refusal_is_known_by_the_bodys_status(
    project: Project,
    supabase: SupabaseAdapter,
    fault: dict[str, object],
    http: int,
    code: str | None,
) -> None:
    """HTTP says 400 of most; what the body says counts. A redirection is not followed."""
    project.fault(kind="status", **fault)
    evidence = await _sent(supabase, project.landed())
    assert isinstance(evidence, Evidence)
    assert (evidence.http, evidence.code) == (http, code)
    assert len(project.requests()) == 1


async def test_the_check_tells_a_good_key_from_a_bad_one(project: Project, client: Client) -> None:
    """Of either kind; nothing is stored by asking."""
    assert await _adapter(client, project.base_url).check() == "key accepted; 6 buckets"
    for key in ("sb_secret_wrong", "eyJ.not.one"):
        with pytest.raises(ProviderError) as refused:
            await _adapter(client, project.base_url, key).check()
        assert refused.value.evidence.http in (401, 403)
        assert key not in str(refused.value)
