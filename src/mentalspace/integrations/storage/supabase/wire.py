"""Supabase Storage's constants, addresses, bodies and refusals."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from mentalspace.integrations.storage.document import Document
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.integration import Answer
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.said import read_sentences

API = "/storage/v1"

# What a success is: an upload answers 200, and nothing promises that it stays so.
GOOD = frozenset({200, 201})

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}", re.ASCII)
_SAID = read_sentences(Path(__file__).with_name("said.toml").read_text())
_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
# Of a single upload the ETag is the MD5 of what was stored; of one in parts it is something else.
_MD5 = re.compile(r"[0-9a-f]{32}")

# What servers before 2024 call a case by, where they know no code.
# source: https://supabase.com/docs/guides/storage/debugging/error-codes ("old error codes")
_OLDER: Mapping[str, str] = MappingProxyType({
    "Duplicate":            "KeyAlreadyExists",
    "not_found":            "NoSuchKey",
    "Bucket not found":     "NoSuchBucket",
    "Payload too large":    "EntityTooLarge",
    "invalid_mime_type":    "InvalidMimeType",
    "too_many_connections": "SlowDown",
    "Unauthorized":         "AccessDenied",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Info:
    """What Storage says of an object. `md5` only where its ETag is one; `sha256` is what we said
    of it when it went up."""

    size_bytes: int
    md5: str | None
    sha256: str | None


def authorisation(secrets: Mapping[str, str]) -> dict[str, str]:
    """A key of the newer kind is named in `apikey` alone; an older one is a token as well.

    source: https://supabase.com/docs/guides/api/api-keys
    """
    key = secrets["service_role_key"]
    named = {"apikey": key}
    if not key.startswith("sb_"):
        named["Authorization"] = f"Bearer {key}"
    return named


def object_url(base_url: str, bucket: str, name: str, *, kind: str = "") -> str:
    """Of the object itself, or with `kind` "info/" of what is known of it."""
    return f"{base_url}{API}/object/{kind}{quote(bucket, safe='')}/{quote(name)}"


def buckets_url(base_url: str) -> str:
    return f"{base_url}{API}/bucket"


def upload_headers(document: Document) -> dict[str, str]:
    """Never over another; with our own sum beside it, by which it is known again."""
    known = {"sha256": document.sha256, "version": document.version}
    return {
        "Content-Type": document.media_type,
        "Content-Length": str(document.size_bytes),
        "Cache-Control": "no-store",
        "x-upsert": "false",
        "x-metadata": base64.b64encode(json.dumps(known).encode()).decode(),
    }


def bucket_body(name: str, size_bytes: int | None, types: list[str] | None) -> bytes:
    """A private one, that takes what ours does."""
    body: dict[str, Any] = {"id": name, "name": name, "public": False}
    if size_bytes is not None:
        body["file_size_limit"] = size_bytes
    if types is not None:
        body["allowed_mime_types"] = types
    return json.dumps(body).encode()


def thing_of(answer: Answer) -> Mapping[str, Any]:
    """A body that is an object. Raises ValueError for any other."""
    body = json.loads(answer.body)
    if not isinstance(body, dict):
        raise ValueError("not an object")
    return body


def uploaded(answer: Answer, place: str) -> None:
    """Raises ValueError or KeyError unless it says that it took just this."""
    body = thing_of(answer)
    if body["Key"] != place or not body["Id"]:
        raise ValueError("another object than the one that was sent")


def info_of(answer: Answer) -> Info:
    """Raises ValueError, KeyError or TypeError."""
    body = thing_of(answer)
    etag = str(body.get("etag") or "").strip('"')
    ours = body.get("metadata") or {}
    told = ours.get("sha256") if isinstance(ours, dict) else None
    return Info(
        int(body["size"]),
        etag if _MD5.fullmatch(etag) else None,
        told if isinstance(told, str) else None,
    )


def count_buckets(answer: Answer) -> int:
    """Raises ValueError."""
    body = json.loads(answer.body)
    if not isinstance(body, list):
        raise ValueError("not a list")
    return len(body)


def is_missing(answer: Answer) -> bool:
    """Whether the object, and not its bucket, is not there. HTTP says 400 of it, the body 404."""
    return _is(answer, 404, "NoSuchKey")


def is_bucket_missing(answer: Answer) -> bool:
    return _is(answer, 404, "NoSuchBucket")


def is_bucket_there(answer: Answer) -> bool:
    """Made just now, or by somebody else just before."""
    return answer.http in GOOD or evidence_of(answer, None).http == 409


def error_of(answer: Answer, retry_after_s: float | None) -> ProviderError:
    return ProviderError(evidence_of(answer, retry_after_s))


def evidence_of(answer: Answer, retry_after_s: float | None) -> Evidence:
    """A refusal. Its status is the body's where there is one, for HTTP says 400 of nearly all."""
    body = _body(answer)
    told = str(body.get("statusCode", ""))
    http = int(told) if answer.http == 400 and _STATUS.fullmatch(told) else answer.http
    message = body.get("message")
    prose = Phi(message) if isinstance(message, str) else None
    return Evidence(
        "http",
        http=http,
        code=_code(body),
        message=prose,
        said=_SAID.find(prose),
        request_id=request_id(answer),
        retry_after_s=retry_after_s,
    )


def request_id(answer: Answer) -> str | None:
    return answer.headers.get("sb-request-id") or answer.headers.get("cf-ray")


def _is(answer: Answer, http: int, code: str) -> bool:
    evidence = evidence_of(answer, None)
    return (evidence.http, evidence.code) == (http, code)


def _body(answer: Answer) -> Mapping[str, Any]:
    """Of a gateway's page, which is no JSON, nothing."""
    try:
        return thing_of(answer)
    except ValueError:
        return {}


def _code(body: Mapping[str, Any]) -> str | None:
    """Anything else in the place of a code may be prose, and prose may quote a name."""
    for told in (body.get("code"), _OLDER.get(str(body.get("error")))):
        if isinstance(told, str) and _CODE.fullmatch(told):
            return told
    return None
