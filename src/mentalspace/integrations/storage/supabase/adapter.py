"""Keeps a practice's documents in Supabase Storage, and takes away what was removed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TypeVar

from mentalspace.engine.outbound import retry_after_s
from mentalspace.integrations.storage.document import Document
from mentalspace.integrations.storage.landed import Landed, Landings, PlainLandings
from mentalspace.integrations.storage.supabase import wire
from mentalspace.kernel.delivery import Receipt, Status
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import Answer, Credential, Http

T = TypeVar("T")

# How a receipt of a removal is told from one of an upload.
REMOVED = "removed:"


class SupabaseAdapter:
    def __init__(
        self, http: Http, credential: Credential, landings: Landings | None = None
    ) -> None:
        self._http = http
        self._base_url = credential.base_url.rstrip("/")
        self._landings = landings or PlainLandings()
        self._headers = wire.authorisation(credential.secrets)

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:  # noqa: ARG002
        """POST the object under a name that is its version's alone, and compare what arrived; or
        DELETE it. Supabase knows no key, and needs none: a repeat meets itself."""
        document = Document.from_bytes(payload)
        if document.kind == "removal":
            return await self._remove(document)
        if document.kind == "sealed":
            raise ProviderError(Evidence("refused_locally", code="infected"))
        landed = Landed(document, self._landings)
        answer = await self._upload(document, landed)
        if wire.is_bucket_missing(answer) and await self._make_bucket(document.bucket):
            landed = Landed(document, self._landings)
            answer = await self._upload(document, landed)
        _read(answer, lambda told: wire.uploaded(told, document.place))
        await self._compare(document, landed.md5)
        return Receipt(document.place, wire.request_id(answer))

    async def reconcile(
        self,
        payload: bytes,
        *,
        idempotency_key: str,  # noqa: ARG002
        first_attempt_age: timedelta,  # noqa: ARG002
        last_send_age: timedelta,  # noqa: ARG002
        taken: Collection[str],  # noqa: ARG002
    ) -> Receipt | None:
        """Look whether the object is there, and is these very bytes.

        Missing, it may be sent at once: should the first upload still be under way, one of the two
        is refused as a duplicate, and looked at again.
        """
        document = Document.from_bytes(payload)
        info = await self._info(document.bucket, document.name)
        if document.kind == "removal":
            return Receipt(f"{REMOVED}{document.place}") if info is None else None
        if info is None:
            return None
        if not await self._is_same(document, info):
            raise ProviderError(Evidence("refused_locally", code="different_bytes"))
        return Receipt(document.place)

    async def look_up(self, provider_message_id: str) -> Event | None:
        """Read the copy back, whole, and compare its sum with the one it went up with."""
        if provider_message_id.startswith(REMOVED):
            return await self._look_whether_gone(provider_message_id)
        bucket, _, name = provider_message_id.partition("/")
        info = await self._info(bucket, name)
        if info is None:
            return _event(provider_message_id, "object.missing", "object_missing")
        size_bytes, sha256 = await self._read_back(bucket, name)
        if size_bytes == info.size_bytes and sha256 == info.sha256:
            return _event(provider_message_id, "object.verified")
        return _event(provider_message_id, "object.differs", "different_bytes")

    async def check(self) -> str:
        """List the buckets."""
        answer = await self._get(wire.buckets_url(self._base_url))
        return f"key accepted; {_read(answer, wire.count_buckets)} buckets"

    async def _upload(self, document: Document, landed: Landed) -> Answer:
        """Raises ProviderError; what is wrong with our own file is said to be ours."""
        if trouble := await landed.look():
            raise ProviderError(Evidence("refused_locally", code=trouble))
        headers = {**self._headers, **wire.upload_headers(document)}
        url = wire.object_url(self._base_url, document.bucket, document.name)
        body = landed.pieces() if document.size_bytes else b""
        try:
            return await self._http.request("POST", url, headers=headers, body=body)
        except ProviderError as error:
            if landed.trouble is None:
                raise
            raise ProviderError(Evidence("refused_locally", code=landed.trouble)) from error
        finally:
            landed.close()

    async def _make_bucket(self, name: str) -> bool:
        """One that a practice made here is made there too, as soon as something is to lie in it.
        False where there is none here, or the key may not: then the refusal stands as it is."""
        limits = await self._landings.limits(name)
        if limits is None:
            return False
        headers = {**self._headers, "Content-Type": "application/json"}
        body = wire.bucket_body(name, limits.size, limits.types)
        url = wire.buckets_url(self._base_url)
        try:
            answer = await self._http.request("POST", url, headers=headers, body=body)
        except ProviderError:
            return False  # nothing was sent, and it is asked for again with the next try
        return wire.is_bucket_there(answer)

    async def _compare(self, document: Document, md5: str) -> None:
        """Raises ProviderError unless what arrived is what left."""
        info = await self._info(document.bucket, document.name)
        if info is None:
            raise ProviderError(Evidence("http", http=404, code="NoSuchKey"))
        known = info.md5 == md5 and info.size_bytes == document.size_bytes
        if not known and not await self._is_same(document, info):
            raise ProviderError(Evidence("refused_locally", code="different_bytes"))

    async def _is_same(self, document: Document, info: wire.Info) -> bool:
        """By size, then by the bytes themselves: what they were said to be is no proof."""
        if info.size_bytes != document.size_bytes:
            return False
        _size, sha256 = await self._read_back(document.bucket, document.name)
        return sha256 == document.sha256

    async def _remove(self, document: Document) -> Receipt:
        """Gone already is as good."""
        url = wire.object_url(self._base_url, document.bucket, document.name)
        answer = await self._http.request("DELETE", url, headers=self._headers)
        if answer.http not in wire.GOOD and not wire.is_missing(answer):
            raise wire.error_of(answer, retry_after_s(answer.headers))
        return Receipt(f"{REMOVED}{document.place}", wire.request_id(answer))

    async def _look_whether_gone(self, receipt: str) -> Event | None:
        bucket, _, name = receipt.removeprefix(REMOVED).partition("/")
        info = await self._info(bucket, name)
        return _event(receipt, "object.gone") if info is None else None

    async def _info(self, bucket: str, name: str) -> wire.Info | None:
        """None if it is not there. Raises ProviderError if that cannot be told."""
        answer = await self._get(wire.object_url(self._base_url, bucket, name, kind="info/"))
        return None if wire.is_missing(answer) else _read(answer, wire.info_of)

    async def _read_back(self, bucket: str, name: str) -> tuple[int, str]:
        """Size and sum of the bytes that are there; none of them is kept."""
        digest, size_bytes = hashlib.sha256(), 0

        def take(piece: bytes) -> None:
            nonlocal size_bytes
            size_bytes += len(piece)
            digest.update(piece)

        url = wire.object_url(self._base_url, bucket, name)
        answer = await self._http.request("GET", url, headers=self._headers, into=take)
        if answer.http not in wire.GOOD:
            raise wire.error_of(answer, retry_after_s(answer.headers))
        return size_bytes, digest.hexdigest()

    async def _get(self, url: str) -> Answer:
        return await self._http.request("GET", url, headers=self._headers)


def _event(receipt: str, kind: str, trouble: str | None = None) -> Event:
    status = Status.DELIVERED if trouble is None else Status.FAILED
    return Event(receipt, kind, status, None, trouble, trouble=trouble)


def _read(answer: Answer, read: Callable[[Answer], T]) -> T:
    """A success, read. Raises ProviderError for anything else: what cannot be read was probably
    taken."""
    if answer.http not in wire.GOOD:
        raise wire.error_of(answer, retry_after_s(answer.headers))
    try:
        return read(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        evidence = Evidence("malformed", http=answer.http, request_id=wire.request_id(answer))
        raise ProviderError(evidence) from error
